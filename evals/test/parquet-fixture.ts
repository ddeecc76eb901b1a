import { writeFile } from "node:fs/promises";
import type { SchemaElement } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";

type Kind = "text" | "texts" | "number" | "image" | "answers";

const text = (name: string): SchemaElement => ({ name, type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" });
const list = (name: string, of: readonly SchemaElement[]): SchemaElement[] => [
  { name, repetition_type: "OPTIONAL", num_children: 1, converted_type: "LIST" },
  { name: "list", repetition_type: "REPEATED", num_children: 1 },
  ...of,
];

const elements: Readonly<Record<Kind, (name: string) => SchemaElement[]>> = {
  text: (name) => [text(name)],
  number: (name) => [{ name, type: "INT64", repetition_type: "OPTIONAL" }],
  texts: (name) => list(name, [text("element")]),
  // As the datasets library writes pictures.
  image: (name) => [{ name, repetition_type: "OPTIONAL", num_children: 2 }, { name: "bytes", type: "BYTE_ARRAY", repetition_type: "OPTIONAL" }, text("path")],
  answers: (name) => list(name, [{ name: "element", repetition_type: "OPTIONAL", num_children: 3 }, text("answer"), text("answer_confidence"), { name: "answer_id", type: "INT64", repetition_type: "OPTIONAL" }]),
};

/** Writes rows as the hub's parquet files hold them. */
export async function writeParquet(file: string, columns: Readonly<Record<string, readonly [kind: Kind, values: readonly unknown[]]>>): Promise<void> {
  const names = Object.keys(columns);
  const schema: SchemaElement[] = [{ name: "root", num_children: names.length }, ...names.flatMap((name) => elements[(columns[name] as readonly [Kind, unknown])[0]](name))];
  const columnData = names.map((name) => ({ name, data: (columns[name]?.[1] ?? []) as unknown[] }));
  await writeFile(file, new Uint8Array(parquetWriteBuffer({ columnData, schema })));
}
