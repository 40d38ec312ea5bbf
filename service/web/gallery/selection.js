/** What can be done with several pictures at once. */
import { api } from "./api.js";
import { startDrawing } from "./draw.js";
import { focusTile } from "./grid.js";
import { deletionQuestion, picturesOf, selectedJobs } from "./picture.js";
import { explain, jobOf, notify, remove, selectNothing, state } from "./store.js";
import { Button, html, Icon, Question, useState } from "./view.js";
import { counted, word } from "./words.js";

function pairs() {
  return [...state.selected].map((key) => key.split(".").map(Number));
}

export function SelectionBar() {
  const [asking, setAsking] = useState(false);
  const selected = pairs();
  const kept = selected.filter(([id, number]) => jobOf(id)?.pictures.some((each) => each.picture === number && each.kept));
  const pictures = kept.map(([history_id, picture]) => ({ history_id, picture }));
  const jobs = selectedJobs();
  const answered = async (yes) => {
    setAsking(false);
    if (yes && (await remove(jobs))) {
      notify(word("deleted"));
      selectNothing();
      focusTile(); // what had the focus goes with the bar
    }
  };
  const save = async (event) => { // a form saves what comes, and shows no refusal
    event.preventDefault();
    const { target } = event;
    try {
      await api.checkZip(pictures);
      target.submit();
    } catch (error) {
      notify(explain(error), "bad");
    }
  };
  const startFrom = () => {
    startDrawing(kept.map(([id, number]) => [jobOf(id), jobOf(id).pictures.find((each) => each.picture === number)]));
    selectNothing();
    window.scrollTo({ top: 0 });
  };
  return html`<div class="selection-bar" role="toolbar" aria-label=${word("selection")}>
    <${Button} icon="close" label=${word("select_none")} onclick=${selectNothing} />
    <strong role="status">${counted("selected", selected.length)}</strong>
    <span class="spacer"></span>
    ${kept.length === 2 && html`<${Button} icon="compare" text=${word("compare")} id="compare" onclick=${() => { location.hash = `#/compare/${kept.map((each) => each.join(".")).join("/")}`; }} />`}
    ${kept.length > 0 && html`<${Button} icon="change" text=${word("start_from")} onclick=${startFrom} />`}
    <form method="post" action=${api.zipAddress} onsubmit=${save}>
      <input type="hidden" name="pictures" value=${JSON.stringify(pictures)} />
      <button type="submit" id="zip" class="button" disabled=${!kept.length}><${Icon} name="download" /><span>${word("zip")}</span></button>
    </form>
    <${Button} kind="bad" icon="trash" text=${word("delete")} id="delete-selected" disabled=${!selected.length} onclick=${() => setAsking(true)} />
    ${asking && html`<${Question} ...${deletionQuestion(jobs, picturesOf(jobs) || 1)} yes=${word("delete")} danger=${true} onanswer=${answered} />`}
  </div>`;
}
