/**
 * What the server says in English, in the language of the page: failures and refusals by their kinds, the steps of a job,
 * notes on pictures, what models are good at. The texts stand before all modules, as `SERVER_TEXTS`; words of others stay as they are.
 */
import { currentLanguage, durationText } from "./words.js";

/** The words of an image service itself: they follow ours, as they are. */
const QUOTE = /(?:^|\n)It said: (.*)$/s;
const CHARGES = [["may have been charged", "charged"], ["Nothing was charged", "not_charged"]];

/** Why a job failed: the fact, what to do about it, and the service's own words, each in a line. */
export function failureText({ kind, reason }) {
  const own = SERVER_TEXTS[currentLanguage()];
  if (!own) return reason;
  const [fact, ...advice] = (own.failures[kind] || own.failures.other).split("\n");
  const [, charge] = CHARGES.find(([said]) => reason.includes(said)) || [];
  const [, quote] = QUOTE.exec(reason) || [];
  return [fact + (charge && !fact.includes(own.mentions) ? own[charge] : ""), ...advice, quote ? own.said.replace("{quote}", () => quote) : ""].filter(Boolean).join("\n");
}

/** Why a request was refused, by the error that the server answered. */
export function refusalText({ kind, field, message, retry_after_s: wait }) {
  const own = SERVER_TEXTS[currentLanguage()];
  if (!own) return message;
  const words = WORDS[currentLanguage()];
  const label = words[`parameter_${field}`] || words[field] || "";
  const text = (label && own.refusals[`${kind}_of`]) || own.refusals[kind] || own.failures[kind] || own.refusals.other;
  return text.replace("{field}", () => label) + (wait ? own.again.replace("{wait}", () => durationText(wait)) : "");
}

/** How far a job is, by a message of the server or of the image service. */
export function stepText(message) {
  const own = SERVER_TEXTS[currentLanguage()];
  if (!own || /\p{sc=Han}/u.test(message)) return message;
  if (/\btry in \d+ s\./.test(message)) return own.try_again;
  const begin = Object.keys(own.steps).find((each) => message.startsWith(each)); // the last of them is ""
  return own.steps[begin].replace("{n}", () => (/\d+/.exec(message.slice(begin.length)) || [""])[0]);
}

/** What a model is good at, in the words of the models file. */
export function aboutText(about) {
  return SERVER_TEXTS[currentLanguage()]?.abouts[about] || about;
}

/** What is to be known of a picture: sentences, each as it is where the page has no words for it. */
export function noteText(note) {
  const notes = Object.entries(SERVER_TEXTS[currentLanguage()]?.notes || {});
  return notes.reduce((text, [said, own]) => text.replace(said, () => own), note);
}
