import { ApiError } from "../api-error.js";

const bad = (problem: string): ApiError => new ApiError(400, `image: ${problem}`, { code: "image_bad_source" });

/** Whether a text can be nothing but base64, the URL-safe alphabet and line breaks included. */
export function looksLikeBase64(text: string): boolean {
  return /^[A-Za-z0-9+/_\-\s]+={0,2}\s*$/.test(text);
}

/**
 * The bytes of a `data:` URL (RFC 2397).
 * @throws ApiError 400; 413 for more than `maxBytes`
 */
export function dataUrlBytes(url: string, maxBytes: number): Uint8Array {
  const comma = url.indexOf(",");
  if (comma < 0) throw bad("expected a data: URL with a comma before its data");
  const base64 = /;\s*base64\s*$/i.test(url.slice(0, comma));
  const data = url.slice(comma + 1);
  if (base64) return base64Bytes(data.includes("%") ? unescaped(data) : data, maxBytes);
  return checkedSize(Buffer.from(unescaped(data), "latin1"), maxBytes);
}

/** The bytes that base64 stands for. */
export function base64Bytes(text: string, maxBytes: number): Uint8Array {
  if (!looksLikeBase64(text)) throw bad("expected base64");
  if (text.length * 0.75 > maxBytes * 1.1 + 1024) throw tooLarge(maxBytes);
  return checkedSize(Buffer.from(text, "base64"), maxBytes);
}

function unescaped(text: string): string {
  return text.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function checkedSize(bytes: Uint8Array, maxBytes: number): Uint8Array {
  if (bytes.length === 0) throw bad("expected an image, got 0 bytes");
  if (bytes.length > maxBytes) throw tooLarge(maxBytes);
  return bytes;
}

export function tooLarge(maxBytes: number): ApiError {
  return new ApiError(413, `image: expected at most ${maxBytes} bytes; send a smaller one`, { code: "image_too_many_bytes" });
}
