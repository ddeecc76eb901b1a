import type { VNode } from "preact";

/** Strokes on a 20 by 20 grid. */
const paths = {
  plus: "M10 4v12M4 10h12",
  picture: "M3.5 4.5h13v11h-13zM3.5 13l3.6-3.6 3 3 2.2-2.2 4.2 4.2M12.8 7.6h.01",
  camera: "M3 7h3l1.4-2h5.2L14 7h3v8.5H3zM10 13.2a2.4 2.4 0 1 0 0-4.8 2.4 2.4 0 0 0 0 4.8z",
  send: "M10 16V4.5M5 9l5-5 5 5",
  stop: "M6 6h8v8H6z",
  sun: "M10 13.2a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.4zM10 2.8v1.6M10 15.6v1.6M2.8 10h1.6M15.6 10h1.6M4.9 4.9L6 6M14 14l1.1 1.1M4.9 15.1L6 14M14 6l1.1-1.1",
  moon: "M16 11.8A6.6 6.6 0 0 1 8.2 4a6.6 6.6 0 1 0 7.8 7.8z",
  close: "M5.5 5.5l9 9M14.5 5.5l-9 9",
  menu: "M3.5 6h13M3.5 10h13M3.5 14h8",
  more: "M5 10h.01M10 10h.01M15 10h.01",
  eye: "M2.5 10s2.8-4.8 7.5-4.8S17.5 10 17.5 10s-2.8 4.8-7.5 4.8S2.5 10 2.5 10zM10 12.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4z",
  settings: "M3.5 6h6M13.5 6h3M3.5 14h3M10.5 14h6M11.5 8a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM8.5 16a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
  copy: "M7.5 7.5h8v8h-8zM12.5 7.5v-3h-8v8h3",
  check: "M4.5 10.5l3.5 3.5 7.5-8",
  again: "M15.8 8.2A6.2 6.2 0 1 0 16 12M16 4.5v4h-4",
  edit: "M4 16l.8-3.4L13 4.4l2.6 2.6-8.2 8.2z",
  trash: "M4.5 6h11M8 6V4.2h4V6M6 6l.7 10h6.6L14 6",
  download: "M10 4v8.5M6.5 9.5L10 13l3.5-3.5M4 16h12",
  search: "M9 14.2A5.2 5.2 0 1 0 9 3.8a5.2 5.2 0 0 0 0 10.4zM13 13l3.5 3.5",
  chevron: "M6 8l4 4 4-4",
  down: "M10 4v12M5 11l5 5 5-5",
  warning: "M10 3.8L17 16H3zM10 8.4v3.4M10 14h.01",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { name: IconName }): VNode {
  return (
    <svg class={`icon icon-${name}`} viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}

/** The mark: an eye, and the line along which it looks. */
export function Mark(): VNode {
  return (
    <svg class="mark" viewBox="0 0 32 20" aria-hidden="true" focusable="false">
      <circle cx="9" cy="10" r="6" />
      <circle class="pupil" cx="9" cy="10" r="2" />
      <path d="M15 10h15" />
    </svg>
  );
}
