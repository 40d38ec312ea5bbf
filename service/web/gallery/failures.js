/**
 * What went wrong, in the language of the page. The server says it in English; for the others `FAILURES`, which stands
 * before all modules, has a text for each kind of failure and of refusal.
 */
import { currentLanguage, durationText } from "./words.js";

/** The words of an image service itself: they follow ours, as they are. */
const QUOTE = /(?:^|\n)It said: (.*)$/s;
const CHARGES = [["may have been charged", "charged"], ["Nothing was charged", "not_charged"]];

/** Why a job failed: the fact, what to do about it, and the service's own words, each in a line. */
export function failureText({ kind, reason }) {
  const own = FAILURES[currentLanguage()];
  if (!own) return reason;
  const [fact, ...advice] = (own.failures[kind] || own.failures.other).split("\n");
  const [, charge] = CHARGES.find(([said]) => reason.includes(said)) || [];
  const [, quote] = QUOTE.exec(reason) || [];
  return [fact + (charge && !fact.includes(own.mentions) ? own[charge] : ""), ...advice, quote ? own.said.replace("{quote}", () => quote) : ""].filter(Boolean).join("\n");
}

/** Why a request was refused, by the error that the server answered. */
export function refusalText({ kind, field, message, retry_after_s: wait }) {
  const own = FAILURES[currentLanguage()];
  if (!own) return message;
  const words = WORDS[currentLanguage()];
  const label = words[`parameter_${field}`] || words[field] || "";
  const text = (label && own.refusals[`${kind}_of`]) || own.refusals[kind] || own.failures[kind] || own.refusals.other;
  return text.replace("{field}", () => label) + (wait ? own.again.replace("{wait}", () => durationText(wait)) : "");
}
