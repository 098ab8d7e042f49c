import { createWriteStream } from "node:fs";
import type { IncomingMessage } from "node:http";
import * as http from "node:http";
import * as https from "node:https";
import { pipeline } from "node:stream/promises";
import * as tls from "node:tls";
import { hostCertificates } from "./ca-bundle";

export interface DownloadLimits {
  /** Milliseconds until the server must have begun to answer. */
  answer: number;
  /** Milliseconds without a byte after which it counts as broken. */
  silence: number;
}

/**
 * Gets a file by HTTP, following redirects, and trusting what the host trusts beside Node's own list.
 *
 * @param onProgress is told the share done so far, 0 to 1, where the server says how much there is.
 */
export async function downloadFile(
  url: string,
  file: string,
  limits: DownloadLimits,
  onProgress: (share: number) => void = () => undefined,
): Promise<void> {
  const response = await open(url, limits);
  const total = Number(response.headers["content-length"]);
  let received = 0;
  response.on("data", (chunk: Buffer) => {
    received += chunk.length;
    if (total > 0) onProgress(received / total);
  });
  await pipeline(response, createWriteStream(file));
}

/** Gets a text by HTTP. */
export async function downloadText(url: string, limits: DownloadLimits): Promise<string> {
  let text = "";
  for await (const chunk of (await open(url, limits)).setEncoding("utf8")) text += String(chunk);
  return text;
}

/** Sends a text in JSON and gets the answer's text. Redirects are not followed: a moved service is one to ask anew. */
export async function exchangeJson(url: string, body: string, limits: DownloadLimits): Promise<string> {
  let text = "";
  for await (const chunk of (await open(url, limits, 0, body)).setEncoding("utf8")) text += String(chunk);
  return text;
}

async function open(
  url: string,
  limits: DownloadLimits,
  redirects = 5,
  body?: string,
): Promise<IncomingMessage> {
  const response = await request(url, limits, body);
  const { statusCode = 0, headers } = response;
  if (statusCode >= 300 && statusCode < 400 && headers.location && redirects > 0) {
    response.resume();
    return open(new URL(headers.location, url).href, limits, redirects - 1);
  }
  if (statusCode !== 200) {
    response.resume();
    throw new Error(`${url} answers with status ${statusCode}`);
  }
  return response;
}

function request(url: string, limits: DownloadLimits, body?: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const ca = [...tls.rootCertificates, hostCertificates()];
    const options: http.RequestOptions =
      body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" } };
    const outgoing = url.startsWith("http:")
      ? http.request(url, options)
      : https.request(url, { ca, ...options });
    const timer = setTimeout(() => {
      outgoing.destroy(new Error(`${url} does not answer within ${limits.answer / 1000} seconds`));
    }, limits.answer);
    outgoing.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    outgoing.on("response", (response) => {
      clearTimeout(timer);
      response.setTimeout(limits.silence, () => response.destroy(new Error(`${url} stopped half way`)));
      resolve(response);
    });
    outgoing.end(body);
  });
}
