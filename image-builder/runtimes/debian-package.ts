/**
 * The Debian package a library probably lives in. Debian Policy 8.1 derives the name from the soname:
 * the version is appended, after a dash when the name ends in a digit; lower case, "_" becomes "-".
 *
 * @param soname for example "libvips-cpp.so.42"
 * @returns for example "libvips-cpp42"; a guess, for messages only
 */
export function debianPackageOf(soname: string): string {
  const [name = soname, version = ""] = soname.split(/\.so\.?/, 2);
  const separator = /[0-9]$/.test(name) && version !== "" ? "-" : "";
  return `${name}${separator}${version}`.toLowerCase().replaceAll("_", "-");
}
