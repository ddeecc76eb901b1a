/** A graph that cannot be built, serialised or run; the message says which function, what it expected and what came. */
export class GraphError extends Error {
  override readonly name: string = "GraphError";
}
