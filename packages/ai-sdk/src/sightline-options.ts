import { InvalidPromptError, type SharedV4ProviderOptions } from "@ai-sdk/provider";
import type { ChatRequest, Detail } from "sightline";

/** What `providerOptions.sightline` may hold in a call of a language model. */
export interface SightlineCallOptions {
  /** Of every picture that says nothing itself: see ImagePart. */
  readonly detail?: Detail;
  /** Of a conversation that is longer than the context. */
  readonly overflow?: NonNullable<ChatRequest["overflow"]>;
  /** A GBNF grammar that the answer is held to; not beside a JSON response format. */
  readonly grammar?: string;
  /** Keeps tokens at least this times as likely as the likeliest, 0 to 1. */
  readonly minP?: number;
  /** Divides recent tokens' logits, > 0. */
  readonly repeatPenalty?: number;
}

/** What `providerOptions.sightline` may hold beside a picture. */
export interface SightlinePartOptions {
  readonly detail?: Detail;
}

const callOptions = ["detail", "overflow", "grammar", "minP", "repeatPenalty"] as const;

/**
 * The options of a call under our name. Values are checked where they are used; an unknown name is a slip of the pen.
 * @throws InvalidPromptError naming it and the known ones
 */
export function readCallOptions(providerOptions: SharedV4ProviderOptions | undefined): SightlineCallOptions {
  const given = providerOptions?.["sightline"] ?? {};
  const unknown = Object.keys(given).find((name) => !callOptions.some((known) => known === name));
  if (unknown !== undefined) {
    throw new InvalidPromptError({ prompt: given, message: `sightline: providerOptions.sightline.${unknown}: expected one of ${callOptions.join(", ")}` });
  }
  return given as SightlineCallOptions;
}

/** The detail that a picture is looked at with: its own, or the call's. */
export function detailOf(providerOptions: SharedV4ProviderOptions | undefined, call: SightlineCallOptions): Detail | undefined {
  return (providerOptions?.["sightline"] as SightlinePartOptions | undefined)?.detail ?? call.detail;
}
