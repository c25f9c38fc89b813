/** One setting: how it is called in each place and how its text becomes a value. */
export interface Setting<Value = unknown> {
  /** Key in the YAML file and in the configuration. */
  readonly key: string;
  /** Flag without the dashes; a secret has none, for everybody can read the command lines of a machine. */
  readonly flag?: string;
  /** Name of the flag's value in `--help`. */
  readonly placeholder?: string;
  /** Environment variables, the first that is set and not empty wins. Calico's names are among them. */
  readonly environment: readonly string[];
  readonly help: string;
  readonly defaultValue: Value;
  /** Throws a plain Error whose message says what would be right; the caller adds where the value came from. */
  readonly parse: (text: string) => Value;
}

/** A function that takes the description of a setting and holds it against the configuration's type. */
export function settingOf<Config>() {
  return <Key extends keyof Config & string>(
    description: Setting<Config[Key]> & { readonly key: Key },
  ): Setting<Config[Key]> & { readonly key: Key } => description;
}
