/** The part of a picture that is to change, painted by the brush that the page of a mask's link has, too. */
import { maskPainter } from "./painter.js";
import { Button, html, useEffect, useRef, useState } from "./view.js";
import { currentLanguage, word } from "./words.js";

/** `onend` gets the file of the mask, null for "the whole picture", or nothing when the person gave up. */
export function MaskDialog({ source, masked, onend }) {
  const dialog = useRef(null);
  const host = useRef(null);
  const painter = useRef(null);
  const [share, setShare] = useState({ isEmpty: true, isFull: false });
  const [problem, setProblem] = useState("");
  useEffect(() => {
    dialog.current.showModal();
    const image = new Image();
    let left = false;
    image.src = source;
    image.decode().then(
      () => { if (!left) painter.current = maskPainter({ host: host.current, image, language: currentLanguage(), onChange: setShare }); },
      () => setProblem(word("not_loaded")),
    );
    return () => { left = true; painter.current?.close(); };
  }, []);
  const end = (value) => { dialog.current.close(); onend(value); };
  const done = async () => end(new File([await painter.current.mask()], "mask.png", { type: "image/png" }));
  return html`<dialog ref=${dialog} class="mask-dialog" aria-labelledby="mask-title" oncancel=${(event) => { event.preventDefault(); end(); }}>
    <div><h2 id="mask-title">${word("mask_title")}</h2><p class="soft">${problem || word("mask_text")}</p></div>
    <div ref=${host}></div>
    <div class="actions">
      ${masked && html`<${Button} kind="plain" text=${word("mask_whole")} onclick=${() => end(null)} />`}
      <span class="spacer"></span>
      <${Button} text=${word("cancel")} onclick=${() => end()} />
      <${Button} kind="primary" id="mask-done" text=${word("mask_done")} disabled=${share.isEmpty || share.isFull} onclick=${done} />
    </div>
  </dialog>`;
}
