import type { VNode } from "preact";
import { useObservable } from "../observable";
import { Modal } from "../shell/modal";
import { Choice } from "./choice";
import { changeSettings, defaultSettings, limits, settings } from "./settings";

/** How answers are asked for, and how the page looks. What is changed holds at once. */
export function SettingsDialog({ onClose }: { onClose: () => void }): VNode {
  const { temperature, maxTokens, systemPrompt, detail, theme } = useObservable(settings);
  const reset = (): void => {
    const { temperature, maxTokens, systemPrompt, detail, theme } = defaultSettings;
    changeSettings({ temperature, maxTokens, systemPrompt, detail, theme });
  };
  return (
    <Modal title="Settings" class="settings" onClose={onClose}>
      <div class="field">
        <label for="temperature">Temperature</label>
        <output for="temperature">{temperature.toFixed(1)}</output>
        <input id="temperature" type="range" {...limits.temperature} step={0.1} value={temperature} aria-describedby="temperature-hint" onInput={(event) => changeSettings({ temperature: Number(event.currentTarget.value) })} />
        <p id="temperature-hint" class="hint">
          At 0 the likeliest answer, the same each time; higher, more varied.
        </p>
      </div>
      <div class="field">
        <label for="length">Longest answer</label>
        <output for="length">{maxTokens.toLocaleString("en-GB")} tokens</output>
        <input id="length" type="range" min={0} max={lengths.length - 1} step={1} value={nearestLength(maxTokens)} aria-valuetext={`${maxTokens} tokens`} onInput={(event) => changeSettings({ maxTokens: lengths[Number(event.currentTarget.value)] ?? defaultSettings.maxTokens })} />
      </div>
      <Choice
        name="detail"
        legend="Detail"
        value={detail}
        choices={[
          ["auto", "Auto"],
          ["low", "Low"],
          ["high", "High"],
        ]}
        onChange={(value) => changeSettings({ detail: value })}
        hint="How closely pictures are looked at. Low is fast; high cuts large pictures into tiles where the model can."
      />
      <div class="field">
        <label for="system">System prompt</label>
        <textarea id="system" rows={3} maxLength={limits.systemPrompt} value={systemPrompt} placeholder="How the model should answer" onInput={(event) => changeSettings({ systemPrompt: event.currentTarget.value })} />
      </div>
      <Choice
        name="theme"
        legend="Appearance"
        value={theme}
        choices={[
          ["system", "System"],
          ["light", "Light"],
          ["dark", "Dark"],
        ]}
        onChange={(value) => changeSettings({ theme: value })}
      />
      <dl class="keys">
        <div>
          <dt>Send</dt>
          <dd>
            <kbd>Enter</kbd>
          </dd>
        </div>
        <div>
          <dt>New line</dt>
          <dd>
            <kbd>Shift</kbd> <kbd>Enter</kbd>
          </dd>
        </div>
        <div>
          <dt>Stop</dt>
          <dd>
            <kbd>Esc</kbd>
          </dd>
        </div>
      </dl>
      <div class="modal-actions">
        <button type="button" class="button" onClick={reset}>
          Reset
        </button>
        <button type="button" class="button primary" onClick={onClose}>
          Done
        </button>
      </div>
    </Modal>
  );
}

const lengths: readonly number[] = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096];

function nearestLength(tokens: number): number {
  const at = lengths.findIndex((length) => length >= tokens);
  return at === -1 ? lengths.length - 1 : at;
}
