// Files by drop, paste and picker, with a list to take them out of, and an upload that shows how far it is.
// The server judges every file again; here only what would be a wasted upload is caught.

const MOST_FILES = 20;
const MOST_BYTES = 25 * 1024 * 1024;

function size(bytes) {
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.max(1, Math.round(bytes / 1e3))} kB`;
}

function problem(form, text, next) {
  const place = form.querySelector("[data-problem]");
  place.replaceChildren();
  if (!text) return;
  const box = document.createElement("div");
  box.className = "problem";
  box.setAttribute("role", "alert");
  const words = document.createElement("p");
  const strong = document.createElement("strong");
  strong.textContent = text;
  words.append(strong, ` ${next ?? ""}`);
  box.append(words);
  place.append(box);
}

function setFiles(form, files) {
  const input = form.querySelector("input[type=file]");
  const transfer = new DataTransfer();
  for (const file of files) transfer.items.add(file);
  input.files = transfer.files;
  list(form);
}

function add(form, files) {
  const input = form.querySelector("input[type=file]");
  setFiles(form, [...(form.keptFiles ?? []), ...files]);
  form.keptFiles = [...input.files];
  list(form);
}

function list(form) {
  const input = form.querySelector("input[type=file]");
  const files = [...input.files];
  form.keptFiles = files;
  const rows = files.map((file, index) => {
    const row = document.createElement("li");
    const name = document.createElement("span");
    name.textContent = file.name;
    const bytes = document.createElement("span");
    bytes.className = "soft";
    bytes.textContent = size(file.size);
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "quiet";
    remove.setAttribute("aria-label", `Remove ${file.name}`);
    remove.textContent = "✕";
    remove.addEventListener("click", () => setFiles(form, files.filter((_, place) => place !== index)));
    row.classList.toggle("too-large", file.size > MOST_BYTES);
    row.append(name, bytes, remove);
    return row;
  });
  form.querySelector("[data-chosen]").replaceChildren(...rows);
  problem(form, complaint(files), "Take out what is too much.");
}

function complaint(files) {
  if (files.length > MOST_FILES) return `There are ${files.length} files; ${MOST_FILES} are the most.`;
  const large = files.find((file) => file.size > MOST_BYTES);
  return large ? `${large.name} is larger than 25 MB.` : "";
}

function send(form, event) {
  // Which of two buttons was pressed says what the message is.
  const submitter = event.submitter;
  const files = [...form.querySelector("input[type=file]").files];
  event.preventDefault();
  if (complaint(files)) return;
  const buttons = [...form.querySelectorAll("[data-submit]")];
  if (buttons.some((button) => button.disabled)) return;
  for (const button of buttons) button.disabled = true;
  const progress = form.querySelector("[data-progress]");
  const bar = progress.querySelector("progress");
  const words = progress.querySelector("[data-progress-text]");
  progress.hidden = false;
  bar.removeAttribute("value");
  words.textContent = "Sending …";
  const request = new XMLHttpRequest();
  request.open("POST", form.action);
  request.setRequestHeader("HX-Request", "true");
  request.upload.addEventListener("progress", (sent) => {
    if (!sent.lengthComputable) return;
    bar.value = sent.loaded / sent.total;
    words.textContent = sent.loaded < sent.total ? `${size(sent.loaded)} of ${size(sent.total)}` : "Checking the files …";
  });
  const done = () => {
    for (const button of buttons) button.disabled = false;
    progress.hidden = true;
  };
  request.addEventListener("load", () => {
    const target = request.getResponseHeader("HX-Redirect");
    if (target && request.status < 300) {
      form.reset();
      setFiles(form, []);
      if (!form.hasAttribute("data-stay")) location.assign(target);
      else done();
      return;
    }
    done();
    if (target) location.assign(target);
    else form.querySelector("[data-problem]").innerHTML = request.responseText;
  });
  request.addEventListener("error", () => {
    done();
    problem(form, "The server did not take it.", "Nothing was stored, and everything you typed is still here. Try again.");
  });
  request.send(new FormData(form, submitter?.name ? submitter : null));
}

document.addEventListener("submit", (event) => {
  if (event.target.matches("form[data-upload]")) send(event.target, event);
});

document.addEventListener("change", (event) => {
  const form = event.target.closest?.("form[data-upload]");
  if (form && event.target.matches("input[type=file]")) add(form, [...event.target.files]);
});

document.addEventListener("paste", (event) => {
  const form = document.querySelector("form[data-drop]");
  const files = [...(event.clipboardData?.files ?? [])];
  if (!form || !files.length) return;
  event.preventDefault();
  add(form, files);
});

const dragged = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
let depth = 0;

document.addEventListener("dragenter", (event) => {
  if (!dragged(event) || !document.querySelector("form[data-drop]")) return;
  depth += 1;
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", () => {
  depth = Math.max(0, depth - 1);
  if (!depth) document.body.classList.remove("dropping");
});
document.addEventListener("dragover", (event) => {
  if (dragged(event)) event.preventDefault();
});
document.addEventListener("drop", (event) => {
  const form = document.querySelector("form[data-drop]");
  depth = 0;
  document.body.classList.remove("dropping");
  if (!form || !dragged(event)) return;
  event.preventDefault();
  add(form, [...event.dataTransfer.files]);
});

// A message of one line is sent with Enter, as in any chat.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || !event.target.matches(".reply textarea")) return;
  event.preventDefault();
  event.target.form.requestSubmit();
});
