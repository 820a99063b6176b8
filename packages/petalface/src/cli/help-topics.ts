import { type Command, Help, type Option } from "commander";
import { PetalfaceError } from "../errors.ts";

/** How a command's long list of options is shown in parts. */
export interface HelpTopics {
  /** Heading of each topic by its name, in the order in which they are listed. */
  readonly topics: Readonly<Record<string, string>>;
  /** Topic of an option, by its attribute name. */
  topicOf(option: string): string;
  /** Whether it is one of the options that help shows first. */
  isMain(option: string): boolean;
}

/** Everything that there is to see. */
const everything = "all";

/**
 * Lets `COMMAND --help` show the main options alone, `--help TOPIC` those of a topic, and
 * `--help all` every one by topic. To be called once all options are added. A topic that does not
 * exist is wrong usage.
 */
export function withHelpTopics(command: Command, { topics, topicOf, isMain }: HelpTopics): Command {
  const names = [everything, ...Object.keys(topics)];
  for (const option of command.options) option.helpGroup(`${topics[topicOf(option.attributeName())]}:`);
  const shown = (option: Option): boolean => {
    const asked = askedTopic(command.args);
    if (option.long === "--help" || asked === everything) return true;
    const name = option.attributeName();
    return asked === undefined ? isMain(name) : topicOf(name) === asked;
  };
  const plain = new Help();
  return command
    .helpOption("-h, --help [topic]", `print help; the topics are ${names.join(", ")}`)
    .configureHelp({
      ...command.configureHelp(),
      visibleOptions: (cmd) => plain.visibleOptions(cmd).filter(shown),
    })
    .addHelpText("before", () => {
      const asked = askedTopic(command.args);
      if (asked !== undefined && !names.includes(asked))
        throw new PetalfaceError(
          "PETAL_OPTION_INVALID",
          `there is no help on "${asked}"; the topics are ${names.join(", ")}`,
        );
      return "";
    })
    .addHelpText("after", () => {
      if (askedTopic(command.args) !== undefined) return "";
      const more = command.options.filter((option) => !isMain(option.attributeName())).length;
      return `\n${more} more options: petalface ${command.name()} --help all, or --help and one of\n${Object.keys(topics).join(", ")}`;
    });
}

/** The word behind `--help`. */
function askedTopic(args: readonly string[]): string | undefined {
  const at = args.findIndex((arg) => arg === "--help" || arg === "-h");
  const next = at < 0 ? undefined : args[at + 1];
  return next === undefined || next.startsWith("-") ? undefined : next;
}
