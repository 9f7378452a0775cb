// Keyboard, dialogs and copying: what needs no server.
// Elements say what they do: data-key (a key or "g t"), data-opens (a dialog's id), data-closes, data-copy, data-submits.

const PAUSE = 900;
let pending = "";
let pendingUntil = 0;

const isTyping = (target) => target.closest("input, textarea, select, [contenteditable]") !== null;

function open(id) {
  const dialog = document.getElementById(id);
  if (dialog && !dialog.open && !document.querySelector("dialog[open]")) dialog.showModal();
}

function press(key) {
  const wanted = key === "K" ? key : key.length === 1 ? key.toLowerCase() : key;
  for (const element of document.querySelectorAll("[data-key]")) {
    if (element.dataset.key !== wanted) continue;
    if (element.matches("input, textarea")) element.focus();
    else element.click();
    return true;
  }
  return false;
}

function move(step) {
  const links = [...document.querySelectorAll("[data-list] a:not(td a)")];
  if (!links.length) return;
  const current = links.findIndex((link) => link === document.activeElement);
  const chosen = links.findIndex((link) => link.getAttribute("aria-current") === "true");
  const from = current >= 0 ? current : chosen;
  const next = Math.min(links.length - 1, Math.max(0, from + step));
  links[next].focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  if (performance.now() > pendingUntil) pending = "";
  const sequence = pending ? `${pending} ${event.key.toLowerCase()}` : event.key;
  pending = "";
  if (event.key === "g" && sequence === "g") {
    pending = "g";
    pendingUntil = performance.now() + PAUSE;
  } else if (event.key === "?") open("keys");
  else if (sequence === "j") move(1);
  else if (sequence === "k") move(-1);
  else if (sequence === "f") document.querySelector("[data-facts-table] .row-button")?.focus();
  else if (!press(sequence)) return;
  event.preventDefault();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const form = event.target.closest?.("form");
  const inDialog = event.target.closest?.("dialog") && !event.target.matches("[data-closes]");
  if (form && (inDialog || event.target.matches("textarea"))) {
    event.preventDefault();
    form.requestSubmit();
  }
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) open(opener.dataset.opens);
  const closer = event.target.closest("[data-closes]");
  if (closer) closer.closest("dialog").close();
  const copier = event.target.closest("[data-copy]");
  if (copier) copy(copier);
});

async function copy(button) {
  await navigator.clipboard.writeText(button.dataset.copy);
  const toast = document.createElement("p");
  toast.className = "toast done";
  toast.textContent = "Copied";
  document.getElementById("toasts").replaceChildren(toast);
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
});

// An edit shows what it changes.
document.addEventListener("input", (event) => {
  const proposed = event.target.dataset?.proposed;
  if (proposed === undefined) return;
  const changed = event.target.value !== proposed;
  event.target.closest(".field").classList.toggle("changed", changed);
  event.target.closest(".field").querySelector(".was").hidden = !changed;
});
