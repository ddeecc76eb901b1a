/** A workspace that is published. */
export interface PublishedPackage {
  readonly name: string;
  /** Absolute. */
  readonly directory: string;
  /** The value of package.json. */
  readonly manifest: {
    readonly name: string;
    readonly version: string;
    readonly files: readonly string[];
    readonly dependencies?: Readonly<Record<string, string>>;
  };
  /** Whether it has a src folder, and not data alone. */
  readonly hasCode: boolean;
}

/** The repository's folder. */
export const root: string;

/** By name. */
export function publishedPackages(): readonly PublishedPackage[];
