/** A text with addresses in it, as it may be shown: registries' addresses can hold credentials. */
export function withoutCredentials(text: string): string {
  return text.replaceAll(/\/\/[^/\s@]*@/g, "//");
}
