/**
 * Packs every published package and installs the tarballs into `folder`/project.
 * @returns the project's folder
 */
export function packAndInstall(folder: string): string;
