/**
 * The words that a person sees, and what they chose for this page: its language and its look.
 * `WORDS` stands before all modules: by language, what `words.json` holds. Where a text depends on a number, its key
 * stands twice, with `_one` and `_other`.
 */

export const LANGUAGES = Object.keys(WORDS);

/** A choice that the browser keeps, if it keeps any. */
export function kept(name) {
  try {
    return localStorage.getItem(`easel-${name}`) || "";
  } catch {
    return "";
  }
}

export function keep(name, value) {
  try {
    if (value) localStorage.setItem(`easel-${name}`, value);
    else localStorage.removeItem(`easel-${name}`);
  } catch {
    // then it holds until the page is left
  }
}

let language = LANGUAGES.includes(kept("language")) ? kept("language") : LANGUAGES.includes(document.documentElement.lang) ? document.documentElement.lang : "en";
document.documentElement.lang = language;

export function currentLanguage() {
  return language;
}

export function speak(chosen) {
  language = LANGUAGES.includes(chosen) ? chosen : "en";
  document.documentElement.lang = language;
}

export function currentTheme() {
  return document.documentElement.dataset.theme || "";
}

/** `theme` is dark, light, or "" for that of the system. */
export function dress(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

/** One text in the person's language, with values in the places `{name}`. */
export function word(key, values = {}) {
  const text = WORDS[language][key] ?? WORDS.en[key];
  if (text === undefined) throw new Error(`no word: ${key}`);
  return text.replace(/\{(\w+)\}/g, (place, name) => (name in values ? String(values[name]) : place));
}

/** A text about a number, in the form that the language has for it. */
export function counted(key, number, values = {}) {
  const form = new Intl.PluralRules(language).select(number) === "one" ? "one" : "other";
  return word(`${key}_${form}`, { n: numeral(number), ...values });
}

export function numeral(number) {
  return new Intl.NumberFormat(language).format(number);
}

export function money(amount, currency) {
  try {
    return new Intl.NumberFormat(language, { style: "currency", currency, maximumSignificantDigits: 3 }).format(amount);
  } catch {
    return `${amount} ${currency}`; // a currency that the browser does not know
  }
}

export function bytes(number) {
  const [unit, size] = number < 1e6 ? ["kilobyte", number / 1e3] : ["megabyte", number / 1e6];
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: unit === "megabyte" ? 1 : 0 }).format(size);
}

/** A moment of the server: seconds since the epoch, or a text of ISO 8601. */
export function moment(value) {
  return new Date(typeof value === "number" ? value * 1000 : value);
}

export function whenText(value) {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(moment(value));
}

export function durationText(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  return whole < 100 ? word("seconds", { n: numeral(whole) }) : word("minutes", { n: numeral(Math.round(whole / 60)) });
}
