import { type Command, Option } from "commander";
import { PetalfaceError } from "../../../errors.ts";
import {
  checkOption,
  flagOf,
  type OptionEntry,
  type OptionName,
  optionEntries,
  optionTable,
  type TrainingChoices,
} from "../../../training/index.ts";

/**
 * What an option has where nothing is given, as help and documentation print it; undefined where
 * there is nothing to say.
 */
export function printDefault({ default: standard, extras, read }: OptionEntry): string | undefined {
  if (extras.defaultText !== undefined) return extras.defaultText;
  if (read === undefined) return undefined;
  const { paper, reference } = extras;
  const named = [
    ["paper", paper],
    ["reference", reference],
  ].filter(([, value]) => value !== undefined && value !== standard && !isPresetName(value));
  const first = standard === undefined || String(standard) === "" ? undefined : String(standard);
  if (named.length === 0) return first;
  const both = paper === reference && named.length === 2;
  const others = both ? `paper, reference ${paper}` : named.map(([name, value]) => `${name} ${value}`).join("; ");
  return first === undefined ? others : `${first}; ${others}`;
}

const isPresetName = (value: unknown): boolean => value === "paper" || value === "reference";

/** One line on an option: what it does, its choices and its default. */
export function describeOption(entry: OptionEntry): string {
  const { help, choices, read } = entry;
  const standard = printDefault(entry);
  const notes = [
    ...(choices === undefined ? [] : [choices.join(", ")]),
    ...(standard === undefined || read === undefined ? [] : [`default ${standard}`]),
  ];
  return notes.length === 0 ? help : `${help} (${notes.join("; ")})`;
}

/** What commander calls an option: the camel case of its flag. */
const attributeOf = ({ flag }: OptionEntry): string => new Option(flag).attributeName();

/** Adds every option of training to a command. Values are checked where they are read. */
export function withTrainingOptions(command: Command): Command {
  for (const [name, entry] of optionEntries) {
    const option = new Option(entry.flag, describeOption(entry));
    const { read, extras } = entry;
    if (read !== undefined)
      option.argParser((text) => {
        const value = read(text);
        if (Number.isNaN(value))
          throw new PetalfaceError("PETAL_OPTION_INVALID", `${flagOf(name)} is ${entry.range}, not "${text}"`);
        checkOption(name, value);
        return value;
      });
    if (extras.conflicts !== undefined) option.conflicts(attributeOf(optionTable[extras.conflicts as OptionName]));
    command.addOption(option);
  }
  return command;
}

/** The options of training that the command line gave; all else is the preset's. */
export function givenChoices(command: Command): TrainingChoices {
  return Object.fromEntries(
    optionEntries.flatMap(([name, entry]) => {
      const attribute = attributeOf(entry);
      return command.getOptionValueSource(attribute) === "cli" ? [[name, command.getOptionValue(attribute)]] : [];
    }),
  );
}

/** The option of training that commander calls so. */
export const trainingOption = (attribute: string): OptionEntry | undefined =>
  optionEntries.find(([, entry]) => attributeOf(entry) === attribute)?.[1];
