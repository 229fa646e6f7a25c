/** Pictures and files: sent over HTTP, to the server that the socket is of; a message then names them. */

const NO_ANSWER = { code: "upload_failed", message: "The file could not be sent." };
const TOO_LARGE = { code: "file_too_large", message: "The file is too large." };
const TOO_LARGE_STATUS = 413;

/** Why a file was not taken: `code` is for programs, as docs/files.md lists them; `upload_failed`: there was no answer. */
export class UploadError extends Error {
  /** @param {{code: string, message: string}} error */
  constructor({ code, message }) {
    super(message);
    this.name = "UploadError";
    /** @type {string} */
    this.code = code;
  }
}

/** The address of a file's calls, at the server of that socket. */
export function filesUrl(socketUrl, path = "") {
  const url = new URL(String(socketUrl), globalThis.location?.href);
  const scheme = url.protocol === "wss:" || url.protocol === "https:" ? "https:" : "http:";
  return `${scheme}//${url.host}/api/files${path}`;
}

/**
 * @param {Blob} file
 * @param {{headers?: object, onProgress?: (share: number) => void, signal?: AbortSignal, name?: string}} [options]
 */
export async function uploadFile(address, file, { headers = {}, onProgress, signal, name } = {}) {
  const form = new FormData();
  form.append("file", file, name ?? file.name ?? "file");
  const send = globalThis.XMLHttpRequest ? sendTold : sendUntold;
  const { status, body } = await send(address, form, { headers, onProgress, signal });
  if (status === 201) return body;
  throw new UploadError(body?.error ?? (status === TOO_LARGE_STATUS ? TOO_LARGE : NO_ANSWER));
}

/** The one way by which a browser tells how far it is. */
function sendTold(address, form, { headers, onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    for (const [header, value] of Object.entries(headers)) request.setRequestHeader(header, value);
    request.upload.onprogress = ({ loaded, total }) => total && onProgress?.(loaded / total);
    request.onload = () => resolve({ status: request.status, body: parsed(request.responseText) });
    request.onerror = () => reject(new UploadError(NO_ANSWER));
    request.onabort = () => reject(signal.reason);
    signal?.throwIfAborted(); // while the key was fetched: it tells of that no second time
    signal?.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

async function sendUntold(address, form, { headers, onProgress, signal }) {
  const response = await fetch(address, { method: "POST", body: form, headers, signal }).catch((error) => {
    throw signal?.aborted ? error : new UploadError(NO_ANSWER);
  });
  onProgress?.(1);
  return { status: response.status, body: parsed(await response.text()) };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The part of a message by which a file goes along, as what `upload` gave tells it. */
export function filePart({ id, name, media_type: mediaType, bytes, width, height }) {
  const about = { file_id: id, x_media_type: mediaType, x_bytes: bytes };
  return mediaType.startsWith("image/")
    ? { type: "input_image", ...about, x_name: name, x_width: width, x_height: height }
    : { type: "input_file", ...about, filename: name };
}

/** The files of a message, of its parts. */
export function filesOf(content) {
  const parts = content.filter(({ file_id: id }) => id);
  return parts.map((part) => ({
    id: part.file_id,
    name: part.x_name ?? part.filename ?? "",
    media_type: part.x_media_type ?? "",
    bytes: part.x_bytes ?? 0,
    width: part.x_width ?? 0,
    height: part.x_height ?? 0,
  }));
}
