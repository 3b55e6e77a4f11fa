/** The commands about keys and values. */
import { type Command, Option } from "commander";
import { runExport } from "./export.ts";
import { TTL_SECONDS_MAX } from "../http/expiry.ts";
import {
  type Flags,
  integer,
  KEY_ARGUMENT,
  textsOf,
  timeToLive,
  urlsOf,
  withExamples,
  withUrls,
} from "./options/flags.ts";
import { runImport } from "./import.ts";
import { IMPORT_FORMATS, type ImportFormat } from "./transfer/import_source.ts";
import { type KeySettings, runDelete, runGet, runList, runPut } from "./keys.ts";

/** Adds `get`, `put`, `delete` and `list`. */
export function addKeys(program: Command): void {
  addGet(program);
  addPut(program);
  addDelete(program);
  addList(program);
}

function addGet(program: Command): void {
  const get = withUrls(
    program.command("get").description("write a key's value to standard output"),
  );
  withExamples(get, [
    "converge get greeting --url http://127.0.0.1:8082",
    "converge get photo > photo.jpg",
    "converge get base64:/wA=",
    "converge get greeting --explain",
  ]);
  get.argument("<key>", KEY_ARGUMENT).addOption(explain())
    .action((key: string, flags: Flags) => runGet(key, keySettings(flags)));
}

function addPut(program: Command): void {
  const put = withUrls(
    program.command("put").description("store a value, or standard input, under a key"),
  );
  withExamples(put, [
    "converge put greeting hello",
    'converge put users/1 \'{"name":"Ada"}\' --type application/json',
    "converge put photo --type image/jpeg < photo.jpg",
    "converge put session/7 open --ttl 30m",
  ]);
  put.argument("<key>", KEY_ARGUMENT)
    .argument("[value]", "text; standard input without it, or for -")
    .addOption(explain())
    .option(
      "--type <type>",
      "content type (default: text/plain of UTF-8, application/octet-stream for standard input)",
    )
    .option(
      "--ttl <time>",
      "how long it is to live, like 30s or 24h, rounded up to seconds",
      timeToLive(TTL_SECONDS_MAX),
    )
    .action((key: string, value: string | undefined, flags: Flags) =>
      runPut(key, value, {
        ...keySettings(flags),
        type: textsOf(flags)["type"],
        ttlSeconds: flags.ttl === undefined ? undefined : Number(flags.ttl),
      })
    );
}

function addDelete(program: Command): void {
  const remove = withUrls(
    program.command("delete").description("remove a key, or all that begin alike"),
  );
  withExamples(remove, [
    "converge delete greeting",
    "converge delete greeting --explain",
    "converge delete --prefix users/",
  ]);
  remove.argument("[key]", KEY_ARGUMENT)
    .addOption(explain().conflicts("prefix"))
    .option("--prefix <prefix>", "all keys that begin so; text, or base64:…")
    .action((key: string | undefined, flags: Flags) =>
      runDelete({ key, prefix: textsOf(flags)["prefix"] }, keySettings(flags))
    );
}

function addList(program: Command): void {
  const list = withUrls(program.command("list").description("list keys in byte order"));
  withExamples(list, ["converge list", "converge list users/ --limit 10 --json"]);
  list.argument("[prefix]", KEY_ARGUMENT)
    .option("--limit <count>", "keys at most", integer(1, 1e9), 1_000)
    .action((prefix: string | undefined, flags: Flags) =>
      runList(prefix ?? "", { ...keySettings(flags), limit: Number(flags.limit) })
    );
}

/** Adds `import` and `export`. */
export function addTransfer(program: Command): void {
  const imports = withUrls(program.command("import").description("put every record of a file"));
  withExamples(imports, [
    "converge import - --key-field id < cities.jsonl",
    "converge import data/countries.json --format json --key-field name.common",
    "converge export --url http://127.0.0.1:8081 | converge import - --url http://127.0.0.1:9081",
  ]);
  imports.argument("<file>", "a path, or - for standard input")
    .addOption(
      new Option("--format <format>", "how the file is written").choices(IMPORT_FORMATS)
        .default("json-lines"),
    )
    .option("--key-field <name>", "member of each record that holds its key, like name.common")
    .option(
      "--concurrency <count>",
      "puts under way at most, large ones counting for several",
      integer(1, 1024),
      256,
    )
    .action((file: string, flags: Flags) =>
      runImport(file, {
        urls: urlsOf(flags),
        json: flags.json === true,
        format: flags.format as ImportFormat,
        keyField: textsOf(flags)["key-field"],
        concurrency: Number(flags.concurrency),
      })
    );
  const exports = withUrls(
    program.command("export").description("write all records as JSON lines"),
    { json: false },
  );
  withExamples(exports, [
    "converge export > backup.jsonl",
    "converge export --prefix users/ --url http://127.0.0.1:8081,http://127.0.0.1:8082 | gzip > users.jsonl.gz",
  ]);
  exports.option("--prefix <prefix>", "only keys that begin so; text, or base64:…", "")
    .action((flags: Flags) => runExport({ urls: urlsOf(flags), prefix: String(flags.prefix) }));
}

function explain(): Option {
  return new Option("--explain", "print the receipt instead");
}

function keySettings(flags: Flags): KeySettings {
  return { urls: urlsOf(flags), json: flags.json === true, explain: flags.explain === true };
}
