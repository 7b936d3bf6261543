// The studio: record or drop a voice, type, listen, keep. It uses the same API that everybody uses.

const MAX_RECORDING_SECONDS = 28; // The server takes 30: leave room for what the recorder adds.

const element = (id) => document.getElementById(id);
const state = { reference: null, recorder: null, speaking: null, urls: new Map() };

// --- talking to the server

class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function call(path, options = {}) {
  const headers = new Headers(options.headers);
  const key = sessionStorage.getItem("timbre-key");
  if (key) headers.set("Authorization", `Bearer ${key}`);
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The server cannot be reached. Is it still running?");
  }
  if (!response.ok) throw await apiError(response);
  return response;
}

async function apiError(response) {
  let message = `The server answered ${response.status}.`;
  try {
    message = (await response.json()).error.message;
  } catch {
    // Something between here and the server answered in its own words.
  }
  if (response.status === 401) element("key-form").hidden = false;
  return new ApiError(response.status, message);
}

// --- what the user sees

function say(message) {
  element("status").textContent = message;
  element("error").textContent = "";
}

function complain(error) {
  element("status").textContent = "";
  element("error").textContent = error.message;
}

function play(audio, blob) {
  // A blob's address holds its bytes in memory until it is given back.
  if (state.urls.has(audio)) URL.revokeObjectURL(state.urls.get(audio));
  const url = URL.createObjectURL(blob);
  state.urls.set(audio, url);
  audio.src = url;
  return url;
}

const source = () => document.querySelector("input[name=source]:checked").value;

function showSource() {
  element("recording-panel").hidden = source() !== "recording";
  element("library-panel").hidden = source() !== "library";
  element("keep-panel").hidden = source() !== "recording" || !state.reference;
}

function useReference(blob, name) {
  state.reference = blob;
  element("reference-name").textContent = name;
  element("reference").hidden = false;
  play(element("reference-audio"), blob);
  showSource();
  say("The recording is ready.");
}

// --- recording

async function startRecording() {
  if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) {
    throw new Error("This browser records only on https:// or localhost. Choose a file instead.");
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    throw new Error(`The microphone cannot be used (${error.message}). Allow it, or choose a file instead.`);
  }
  const recorder = new MediaRecorder(stream);
  const parts = [];
  recorder.ondataavailable = (event) => parts.push(event.data);
  recorder.onstop = () => finishRecording(stream, new Blob(parts, { type: recorder.mimeType }));
  state.recorder = recorder;
  recorder.start();
  watchRecording(stream, performance.now());
  element("record").textContent = "Stop recording";
  element("record").setAttribute("aria-pressed", "true");
  say("Recording. Speak for about ten seconds.");
}

function watchRecording(stream, began) {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  const samples = new Float32Array(analyser.fftSize);
  context.createMediaStreamSource(stream).connect(analyser);
  const look = () => {
    if (state.recorder?.state !== "recording") {
      element("level").value = 0;
      context.close();
      return;
    }
    analyser.getFloatTimeDomainData(samples);
    element("level").value = samples.reduce((loudest, sample) => Math.max(loudest, Math.abs(sample)), 0);
    const seconds = (performance.now() - began) / 1000;
    element("clock").textContent = `${seconds.toFixed(1)} s`;
    if (seconds >= MAX_RECORDING_SECONDS) state.recorder.stop();
    requestAnimationFrame(look);
  };
  look();
}

function finishRecording(stream, blob) {
  stream.getTracks().forEach((track) => track.stop());
  state.recorder = null;
  element("record").textContent = "Record again";
  element("record").setAttribute("aria-pressed", "false");
  useReference(blob, `Recorded just now, ${element("clock").textContent}`);
}

async function toggleRecording() {
  if (state.recorder) state.recorder.stop();
  else await startRecording();
}

// --- speaking

function request() {
  const options = { input: element("text").value, speed: Number(element("speed").value), response_format: "mp3" };
  if (source() === "library") {
    return ["v1/audio/speech", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...options, model: "tts-1", voice: element("voices").value }),
    }];
  }
  if (!state.reference) throw new Error("There is no voice yet: record one, or choose a file.");
  const form = new FormData();
  form.append("audio_sample", state.reference, "reference");
  for (const [name, value] of Object.entries(options)) form.append(name, String(value));
  return ["v1/audio/clone", { method: "POST", body: form }];
}

async function speak() {
  if (state.speaking) return;
  const [path, options] = request();
  state.speaking = new AbortController();
  showBusy(true);
  say("Speaking…");
  try {
    const began = performance.now();
    const response = await call(path, { ...options, signal: state.speaking.signal });
    const blob = await readAll(response);
    show(blob);
    say(`Done in ${((performance.now() - began) / 1000).toFixed(1)} s.`);
  } catch (error) {
    if (error.name === "AbortError") say("Stopped.");
    else throw error;
  } finally {
    state.speaking = null;
    showBusy(false);
  }
}

async function readAll(response) {
  const parts = [];
  let bytes = 0;
  try {
    for (const reader = response.body.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      bytes += value.length;
      say(`Speaking… ${Math.round(bytes / 1024)} kB so far.`);
    }
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The speech broke off half way. Try again.");
  }
  return new Blob(parts, { type: response.headers.get("Content-Type") });
}

function showBusy(busy) {
  element("busy").hidden = !busy;
  element("cancel").hidden = !busy;
  element("speak").disabled = busy;
}

function show(blob) {
  element("result").hidden = false;
  const audio = element("result-audio");
  element("download").href = play(audio, blob);
  // A browser may refuse to play by itself; the controls are there.
  audio.play().catch(() => {});
}

// --- voices

async function loadVoices(selected) {
  const voices = [];
  for (let after = ""; ;) {
    const query = new URLSearchParams({ limit: "100", ...(after && { after }) });
    const page = await (await call(`v1/audio/voices?${query}`)).json();
    voices.push(...page.data);
    if (!page.has_more) break;
    after = page.last_id;
  }
  const list = element("voices");
  list.replaceChildren(...voices.map((voice) => {
    const option = new Option(voice.builtin ? `${voice.name} (built in)` : voice.name, voice.id);
    option.dataset.builtin = voice.builtin;
    return option;
  }));
  if (selected) list.value = selected;
  showForget();
}

function showForget() {
  const option = element("voices").selectedOptions[0];
  element("forget").disabled = !option || option.dataset.builtin === "true";
}

async function keepVoice() {
  const form = new FormData();
  form.append("name", element("name").value);
  form.append("consent_statement", element("consent-statement").textContent);
  form.append("audio_sample", state.reference, "reference");
  const voice = await (await call("v1/audio/voices", { method: "POST", body: form })).json();
  await loadVoices(voice.id);
  document.querySelector("input[name=source][value=library]").checked = true;
  element("keep-form").reset();
  showSource();
  say(`The voice “${voice.name}” is kept as ${voice.id}.`);
}

async function forgetVoice() {
  const option = element("voices").selectedOptions[0];
  if (!confirm(`Delete the voice “${option.text}” for good?`)) return;
  await call(`v1/audio/voices/${encodeURIComponent(option.value)}`, { method: "DELETE" });
  await loadVoices();
  say("The voice is deleted.");
}

// --- wiring

const guarded = (action) => async (event) => {
  try {
    await action(event);
  } catch (error) {
    complain(error);
  }
};

function onSubmit(form, action) {
  element(form).addEventListener("submit", (event) => {
    event.preventDefault();
    guarded(action)(event);
  });
}

function useFile(file) {
  if (file) useReference(file, file.name);
}

function wireDrop() {
  const drop = element("drop");
  const mark = (over) => (event) => {
    event.preventDefault();
    drop.classList.toggle("over", over);
  };
  drop.addEventListener("dragover", mark(true));
  drop.addEventListener("dragleave", mark(false));
  drop.addEventListener("drop", (event) => {
    mark(false)(event);
    useFile(event.dataTransfer.files[0]);
  });
}

element("record").addEventListener("click", guarded(toggleRecording));
element("file").addEventListener("change", (event) => useFile(event.target.files[0]));
element("speak").addEventListener("click", guarded(speak));
element("cancel").addEventListener("click", () => state.speaking?.abort());
element("forget").addEventListener("click", guarded(forgetVoice));
element("voices").addEventListener("change", showForget);
element("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) guarded(speak)(event);
});
element("speed").addEventListener("input", (event) => {
  element("speed-value").textContent = Number(event.target.value).toFixed(2);
});
document.querySelectorAll("input[name=source]").forEach((radio) => radio.addEventListener("change", showSource));
onSubmit("keep-form", keepVoice);
onSubmit("key-form", async () => {
  sessionStorage.setItem("timbre-key", element("key").value.trim());
  await loadVoices();
  element("key-form").hidden = true;
  say("The key works.");
});
wireDrop();
guarded(() => loadVoices())();
