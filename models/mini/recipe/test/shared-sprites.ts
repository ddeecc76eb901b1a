import { objectNames } from "../src/objects.js";
import { loadSprites, type Sprites } from "../src/art/sprites.js";

/** Sprites of two training styles and one held-out style, from the repository's own cache. */
export function testSprites(): Promise<Sprites> {
  return loadSprites({ styles: ["twemoji", "noto-v1", "openmoji"], names: objectNames });
}
