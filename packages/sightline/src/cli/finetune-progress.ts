import type { StepEnd } from "@sightline/contrastive";
import { SingleBar } from "cli-progress";
import type { FeaturesComputed, FinetuneEvent } from "../finetune/finetune-event.js";
import { duration } from "./progress-line.js";

const msBetweenLines = 10_000;
/** Share of a new value in the smoothed loss and rate. */
const share = 0.1;

/** Progress of a run on stderr: a bar on a terminal, a line every ten seconds elsewhere; what must be known gets a line of its own. */
export class FinetuneProgress {
  #bar: SingleBar | undefined;
  #lastLine = 0;
  #loss = Number.NaN;
  #perSecond = Number.NaN;
  #msPerStep = Number.NaN;
  #held = "";
  #unit = "pairs";

  take(event: FinetuneEvent): void {
    switch (event.type) {
      case "data-read": {
        const { unit, trainPairs, validationPairs, leftOut, cutCaptions, trainedParameters, parameters } = event;
        this.#unit = unit;
        this.#say(`${trainPairs} ${unit}${validationPairs > 0 ? `, ${validationPairs} held out` : ""}; ${millions(trainedParameters)} of ${millions(parameters)} parameters trained`);
        for (const reason of leftOut) this.#say(`left out: ${reason}`);
        if (cutCaptions > 0) this.#say(unit === "pairs" ? `${cutCaptions} captions are longer than the text tower reads, and are cut` : `${cutCaptions} conversations are longer than data.maxTokens, and are cut`);
        return;
      }
      case "features-computed":
        if (event.done < event.total) this.#features(event);
        else this.#say(`features of the frozen ${event.tower} tower: ${event.total}`);
        return;
      case "pairs-left-out":
        for (const { id, reason } of event.bad) this.#say(`step ${event.step}: left out ${id}: ${reason}`);
        return;
      case "step-end":
        this.#step(event);
        return;
      case "eval-end":
        this.#held = figureTexts(event.metrics).join(", ");
        this.#say(`step ${event.step}: ${this.#held}`);
        return;
      default:
    }
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #step({ step, totalSteps, loss, samples, stepMs }: StepEnd): void {
    this.#loss = smoothed(this.#loss, loss);
    this.#msPerStep = smoothed(this.#msPerStep, stepMs);
    this.#perSecond = smoothed(this.#perSecond, (samples / stepMs) * 1000);
    const texts = { loss: this.#loss.toFixed(4), rate: this.#perSecond.toFixed(this.#perSecond < 10 ? 2 : 0), unit: this.#unit, left: duration(((totalSteps - step) * this.#msPerStep) / 1000) };
    if (process.stderr.isTTY) {
      if (!this.#bar) {
        this.#bar = new SingleBar({ stream: process.stderr, format: "[{bar}] {value}/{total} | loss {loss} | {rate} {unit}/s | {left} left", hideCursor: true, etaBuffer: 1, gracefulExit: false });
        this.#bar.start(totalSteps, step, texts);
      }
      this.#bar.update(step, texts);
    } else if (Date.now() - this.#lastLine >= msBetweenLines) {
      this.#lastLine = Date.now();
      process.stderr.write(`step ${step} of ${totalSteps}: loss ${texts.loss}, ${texts.rate} ${texts.unit}/s, ${texts.left} left\n`);
    }
  }

  #features({ tower, done, total }: FeaturesComputed): void {
    if (Date.now() - this.#lastLine < msBetweenLines) return;
    this.#lastLine = Date.now();
    this.#say(`features of the frozen ${tower} tower: ${done} of ${total}`);
  }

  /** A line above the bar. */
  #say(line: string): void {
    this.stop();
    process.stderr.write(`${line}\n`);
  }
}

/** The figures of an evaluation that are worth a line. */
export function figureTexts(metrics: Readonly<Record<string, number>>): readonly string[] {
  return Object.entries(metrics).flatMap(([name, value]) => {
    if (/\.r1$|top1|exactMatch|tokenAccuracy/.test(name)) return [`${name} ${(100 * value).toFixed(1)} %`];
    return /^(loss|perplexity)$/.test(name) ? [`${name} ${value.toFixed(3)}`] : [];
  });
}

function smoothed(before: number, now: number): number {
  return Number.isNaN(before) ? now : (1 - share) * before + share * now;
}

function millions(count: number): string {
  return count < 1e5 ? String(count) : `${(count / 1e6).toFixed(count < 1e7 ? 2 : 0)} M`;
}
