// The page of `ferbench serve`: a picture or the camera's pictures go to /predict of this server,
// and the faces of the answer are drawn and listed. Nothing is stored, here or there.
"use strict";

const $ = (id) => document.getElementById(id);
const percent = (value) => `${(100 * value).toFixed(0)} %`;
const MOST_TRIES = 4;
const LEAST_PX = 960; // longer side of what is drawn
const CAMERA_PX = 640; // longer side of what is sent of the camera

// What is shown now: the picture, the answer about it, the faces' saliency, and the chosen face.
const state = { image: null, blob: null, faces: [], maps: [], chosen: -1, key: "", ticket: 0, said: "" };
let stream = null;

// --- Requests

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (state.key) headers["X-API-Key"] = state.key;
  let response;
  for (let attempt = 1; ; attempt++) {
    try {
      response = await fetch(path, { ...options, headers, credentials: "omit", cache: "no-store" });
    } catch {
      throw new Error("The server cannot be reached.");
    }
    const wait = Number(response.headers.get("Retry-After"));
    if (!(wait > 0) || attempt === MOST_TRIES) break;
    await new Promise((resolve) => setTimeout(resolve, 1000 * wait));
  }
  const answer = await response.json().catch(() => ({}));
  if (response.status === 401) $("key-form").hidden = false;
  if (!response.ok) {
    const remedy = answer.remedy ? ` (${answer.remedy})` : "";
    throw new Error(`${answer.error || `Status ${response.status}`}${remedy}`);
  }
  return answer;
}

async function predict(blob) {
  const query = new URLSearchParams({ crop: $("crop").checked, saliency: $("saliency").checked });
  return ask(`predict?${query}`, {
    method: "POST",
    body: blob,
    headers: { "Content-Type": blob.type.startsWith("image/") ? blob.type : "application/octet-stream" },
  });
}

// --- Results

function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function faceItem(face, number) {
  const item = element("li", "", "face");
  const heading = element("h3", `Face ${number + 1}: ${face.emotion}`);
  const button = element("button", `Show face ${number + 1} in the picture`);
  button.type = "button";
  button.setAttribute("aria-pressed", String(state.chosen === number));
  button.addEventListener("click", () => choose(state.chosen === number ? -1 : number));
  const table = element("table");
  const caption = element("caption", `Probabilities of face ${number + 1}`, "visually-hidden");
  const body = element("tbody");
  const sorted = Object.entries(face.probabilities).sort((a, b) => b[1] - a[1]);
  for (const [index, [emotion, value]] of sorted.entries()) {
    const row = element("tr", "", index === 0 ? "first" : "");
    const name = element("th", emotion);
    name.scope = "row";
    const cell = element("td");
    const bar = element("div", "", "bar");
    bar.style.width = `${100 * value}%`;
    bar.setAttribute("aria-hidden", "true");
    cell.append(bar);
    row.append(name, cell, element("td", percent(value), "share"));
    body.append(row);
  }
  table.append(caption, body);
  item.append(heading, table, button);
  if (state.chosen === number) item.classList.add("chosen");
  return item;
}

function describe(faces) {
  if (faces.length === 0) return "No face found.";
  const named = faces.map((face) => `${face.emotion} ${percent(face.probabilities[face.emotion])}`);
  return `${faces.length} ${faces.length === 1 ? "face" : "faces"}: ${named.join(", ")}.`;
}

// Screen readers are told of a camera's faces only when the emotions change.
function say(text, key = text) {
  if (state.said === key) return;
  state.said = key;
  $("status").textContent = text;
}

function list() {
  // The buttons are made anew: whoever had the focus keeps it.
  const buttons = () => [...$("faces").querySelectorAll("button")];
  const focused = buttons().indexOf(document.activeElement);
  $("faces").replaceChildren(...state.faces.map(faceItem));
  if (focused >= 0) buttons()[focused]?.focus();
}

function choose(number) {
  state.chosen = number;
  list();
  draw();
}

async function decodeMap(saliency) {
  if (!saliency) return null;
  const bytes = Uint8Array.from(atob(saliency.png), (letter) => letter.charCodeAt(0));
  const grey = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const canvas = new OffscreenCanvas(grey.width, grey.height);
  const context = canvas.getContext("2d");
  context.drawImage(grey, 0, 0);
  const pixels = context.getImageData(0, 0, grey.width, grey.height);
  for (let i = 0; i < pixels.data.length; i += 4) {
    const value = pixels.data[i]; // from clear through red to yellow
    pixels.data.set([255, Math.max(0, 2 * value - 255), 0, 0.75 * value], i);
  }
  context.putImageData(pixels, 0, 0);
  return { box: saliency.box, canvas };
}

async function show(answer) {
  const maps = await Promise.all(answer.faces.map((face) => decodeMap(face.saliency)));
  Object.assign(state, { faces: answer.faces, maps, chosen: Math.min(state.chosen, answer.faces.length - 1) });
  const more = answer.truncated ? " There are more." : "";
  const emotions = answer.faces.map((face) => face.emotion).join();
  say(describe(answer.faces) + more, stream ? `camera ${emotions}` : `picture ${state.ticket} ${Date.now()}`);
  const asked = $("saliency").checked && answer.faces.length > 0;
  $("caption").hidden = !asked;
  const caption = maps.some(Boolean)
    ? "Bright regions support the predicted emotion of the face (Grad-CAM)."
    : "This model has no saliency map.";
  $("caption").textContent = asked ? caption : "";
  list();
  draw();
}

// --- The picture

function draw() {
  const { image, faces, maps, chosen } = state;
  const canvas = $("view");
  const [w, h] = image ? [image.width, image.height] : [$("video").videoWidth, $("video").videoHeight];
  if (!w) return;
  const scale = Math.max(1, LEAST_PX / Math.max(w, h)); // text on a small picture stays legible
  const [width, height] = [Math.round(scale * w), Math.round(scale * h)];
  canvas.width = width;
  canvas.height = height;
  $("stage").style.setProperty("--aspect", width / height);
  const context = canvas.getContext("2d");
  if (image) context.drawImage(image, 0, 0, width, height);
  maps.forEach((map, number) => {
    // A detector's maps cover the whole picture: one at a time.
    if (!map || (chosen >= 0 ? chosen !== number : number > 0 && map.box.join() === "0,0,1,1")) return;
    const [left, top, right, bottom] = map.box;
    context.drawImage(map.canvas, left * width, top * height, (right - left) * width, (bottom - top) * height);
  });
  const unit = Math.max(width, height) / 640;
  context.font = `${16 * unit}px system-ui, sans-serif`;
  context.textBaseline = "bottom";
  faces.forEach((face, number) => {
    const [left, top, right, bottom] = face.box;
    context.lineWidth = (chosen === number ? 5 : 2.5) * unit;
    context.strokeStyle = "#ffc400";
    context.strokeRect(left * width, top * height, (right - left) * width, (bottom - top) * height);
    const text = `${number + 1} ${face.emotion} ${percent(face.probabilities[face.emotion])}`;
    const measured = context.measureText(text).width + 8 * unit;
    const x = Math.max(0, Math.min(left * width, width - measured));
    const y = Math.max(20 * unit, top * height);
    context.fillStyle = "#ffc400";
    context.fillRect(x, y - 20 * unit, measured, 20 * unit);
    context.fillStyle = "#000";
    context.fillText(text, x + 4 * unit, y - unit);
  });
}

async function usePicture(blob) {
  stopCamera();
  const ticket = ++state.ticket;
  $("problem").textContent = "";
  Object.assign(state, { image: null, blob, faces: [], maps: [], chosen: -1 });
  $("stage").hidden = true;
  $("caption").hidden = true;
  list();
  say("Predicting …", `predicting ${ticket}`);
  try {
    // The server also reads formats that a browser does not show.
    const image = await createImageBitmap(blob).catch(() => null);
    if (ticket !== state.ticket) return;
    state.image = image;
    $("stage").hidden = !image;
    draw();
    const answer = await predict(blob);
    if (ticket === state.ticket) await show(answer);
  } catch (error) {
    if (ticket !== state.ticket) return;
    say("No result.", `failed ${ticket}`);
    $("problem").textContent = error.message;
  }
}

// --- The camera

function frame() {
  const video = $("video");
  const scale = Math.min(1, CAMERA_PX / Math.max(video.videoWidth, video.videoHeight));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(scale * video.videoWidth);
  canvas.height = Math.round(scale * video.videoHeight);
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
}

async function startCamera() {
  const ticket = ++state.ticket;
  $("problem").textContent = "";
  try {
    const opened = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user" }, audio: false });
    if (ticket !== state.ticket) { // another picture was chosen meanwhile
      opened.getTracks().forEach((track) => track.stop());
      return;
    }
    stream = opened;
  } catch (error) {
    const reason = navigator.mediaDevices ? error.message : "browsers allow it on localhost and HTTPS only";
    $("problem").textContent = `The camera cannot be used: ${reason}`;
    return;
  }
  Object.assign(state, { image: null, blob: null, faces: [], maps: [], chosen: -1 });
  const video = $("video");
  video.srcObject = stream;
  video.hidden = false;
  $("stage").hidden = false;
  $("hold").hidden = false;
  $("camera").setAttribute("aria-pressed", "true");
  $("camera").textContent = "Stop the camera";
  say("The camera is on.");
  const started = stream;
  try {
    await video.play();
  } catch (error) {
    if (stream !== started) return; // stopped before it had begun
    leaveCamera();
    $("problem").textContent = `The camera cannot be used: ${error.message}`;
    return;
  }
  await watch(started, ticket);
}

// One picture after the other: the next one is sent when the answer is there.
async function watch(watched, ticket) {
  while (stream === watched) {
    try {
      const answer = await predict(await frame());
      if (stream !== watched || ticket !== state.ticket) return;
      $("problem").textContent = "";
      await show(answer);
    } catch (error) {
      if (stream !== watched) return;
      $("problem").textContent = error.message;
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
    await new Promise(requestAnimationFrame);
  }
}

function stopCamera() {
  if (!stream) return;
  stream.getTracks().forEach((track) => track.stop());
  stream = null;
  $("video").srcObject = null;
  $("video").hidden = true;
  $("hold").hidden = true;
  $("camera").setAttribute("aria-pressed", "false");
  $("camera").textContent = "Use the camera";
}

function leaveCamera() {
  stopCamera();
  state.ticket++;
  Object.assign(state, { image: null, faces: [], maps: [], chosen: -1 });
  $("stage").hidden = true;
  list();
  say("The camera is off.");
}

// --- The model

async function loadModel() {
  try {
    const model = await ask("model");
    $("key-form").hidden = true;
    $("model-name").textContent = `${model.name} (${model.source.dataset ?? "unknown data"})`;
    $("saliency-option").hidden = !model.has_saliency;
    $("card").innerHTML = model.card_html; // made by the server, HTML in the card escaped
    $("evidence").replaceChildren(...evidence(model));
  } catch (error) {
    $("problem").textContent = error.message;
  }
}

function evidence(model) {
  const { promotion } = model;
  if (!promotion) {
    return [element("p", "This model was not loaded from a registry, so there is no record of promotion gates. Its own metrics are below.")];
  }
  const outcome = promotion.promoted ? "was promoted" : "was not promoted";
  const lines = [element("p", `Version ${promotion.version} of ${promotion.model} ${outcome}.`)];
  if (promotion.gates.length === 0) return lines;
  const table = element("table");
  const head = element("tr");
  for (const name of ["gate", "outcome", "reason"]) {
    const cell = element("th", name);
    cell.scope = "col";
    head.append(cell);
  }
  const body = element("tbody");
  for (const gate of promotion.gates) {
    const row = element("tr");
    const name = element("th", gate.gate);
    name.scope = "row";
    row.append(name, element("td", gate.passed ? "passed" : "failed"), element("td", gate.reason));
    body.append(row);
  }
  const top = element("thead");
  top.append(head);
  table.append(element("caption", "Promotion gates", "visually-hidden"), top, body);
  return [...lines, table];
}

// --- Events

$("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = ""; // the same file may be chosen again
  if (file) usePicture(file);
});
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault(); // a browser would open the file
    $("drop").classList.toggle("over", name === "dragover");
  });
}
document.addEventListener("drop", (event) => {
  const [file] = event.dataTransfer.files;
  if (file) usePicture(file);
});
document.addEventListener("paste", (event) => {
  const [file] = event.clipboardData.files;
  if (file) usePicture(file);
});
$("camera").addEventListener("click", () => (stream ? leaveCamera() : startCamera()));
$("hold").addEventListener("click", async () => usePicture(await frame()));
for (const id of ["crop", "saliency"]) {
  $(id).addEventListener("change", () => { if (state.blob && !stream) usePicture(state.blob); });
}
$("view").addEventListener("click", (event) => {
  const place = $("view").getBoundingClientRect();
  const x = (event.clientX - place.left) / place.width;
  const y = (event.clientY - place.top) / place.height;
  const hit = state.faces.findIndex(({ box }) => box[0] <= x && x <= box[2] && box[1] <= y && y <= box[3]);
  choose(hit === state.chosen ? -1 : hit);
});
$("show-model").addEventListener("click", () => $("model").showModal());
$("close-model").addEventListener("click", () => $("model").close());
$("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  state.key = $("key").value;
  $("problem").textContent = "";
  await loadModel();
  if (state.blob) usePicture(state.blob);
});
loadModel();
