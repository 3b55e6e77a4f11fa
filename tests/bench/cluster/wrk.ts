/** Runs `wrk` with a generated Lua script that builds requests and prints one line of JSON. */
import { join } from "@std/path";
import type { Load, LoadResult } from "./load.ts";
import type { RequestTemplate } from "./target.ts";

/** Runs it to its end. @throws {Error} with what wrk said when that cannot be read. */
export async function runWrk(load: Load, directory: string): Promise<LoadResult> {
  const threads = load.urls.length;
  const script = join(directory, "load.lua");
  await Deno.writeTextFile(script, luaOf(load));
  const { stdout, stderr } = await new Deno.Command("wrk", {
    args: [
      `-t${threads}`,
      `-c${Math.max(threads, load.connections)}`,
      `-d${load.seconds}s`,
      "-s",
      script,
      load.urls[0]!,
    ],
  }).output();
  const text = new TextDecoder().decode(stdout);
  const line = text.split("\n").find((line) => line.startsWith("{"));
  if (line === undefined) {
    throw new Error(`Cannot read what wrk printed: ${text}${new TextDecoder().decode(stderr)}`);
  }
  return JSON.parse(line);
}

/** One thread per URL; a request is `head .. key .. tail`, so that all targets cost wrk the same. */
function luaOf({ urls, keyCount, keyOrder, request, other }: Load): string {
  const addresses = urls.map((url) => {
    const { hostname, port } = new URL(url);
    return `{${luaString(hostname)}, ${luaString(port)}}`;
  });
  return `
local addresses = {${addresses.join(", ")}}
local threads = 0
function setup(thread)
  threads = threads + 1
  local address = addresses[(threads - 1) % #addresses + 1]
  thread.addr = wrk.lookup(address[1], address[2])[1]
  thread:set("number", threads)
end

local count = ${keyCount}
local random, floor = math.random, math.floor
local rank
function init()
  math.randomseed(os.time() * 16 + number)
  ${keyOrder === "uniform" ? "rank = function() return random(0, count - 1) end" : LUA_ZIPFIAN}
end
${LUA_BASE64}
local encoded = {}
local function base64Key(index)
  local key = encoded[index]
  if key == nil then
    key = base64(string.format("key-%08d", index))
    encoded[index] = key
  end
  return key
end
local plain = {}
local function plainKey(index)
  local key = plain[index]
  if key == nil then
    key = string.format("key-%08d", index)
    plain[index] = key
  end
  return key
end
local function main() ${luaRequest(request)} end
local function other() ${luaRequest(other?.request ?? request)} end
function request()
  if ${other?.share ?? 0} > 0 and random() < ${other?.share ?? 0} then return other() end
  return main()
end

function done(summary, latency, requests)
  local e = summary.errors
  print(string.format('{"requests":%d,"seconds":%f,"p50Ms":%f,"p99Ms":%f,"p999Ms":%f,'
    .. '"statusErrors":%d,"socketErrors":%d}', summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3,
    e.status, e.connect + e.read + e.write + e.timeout))
end
`;
}

function luaRequest({ head, key, tail }: RequestTemplate): string {
  return `return ${luaString(head)} .. ${key}Key(rank()) .. ${luaString(tail)}`;
}

/** JSON's escapes of line feeds, quotes and backslashes are Lua's too. */
function luaString(text: string): string {
  return JSON.stringify(text);
}

/** Gray et al., "Quickly Generating Billion-Record Synthetic Databases" (as in YCSB), scattered. */
const LUA_ZIPFIAN = `local theta, zeta = 0.99, 0
  for i = 1, count do zeta = zeta + 1 / i ^ theta end
  local alpha = 1 / (1 - theta)
  local eta = (1 - (2 / count) ^ (1 - theta)) / (1 - (1 + 0.5 ^ theta) / zeta)
  rank = function()
    local u = random()
    local uz = u * zeta
    local place
    if uz < 1 then place = 0
    elseif uz < 1 + 0.5 ^ theta then place = 1
    else place = floor(count * (eta * u - eta + 1) ^ alpha) end
    return place * 40503 % count
  end`;

const LUA_BASE64 = `
local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local function base64(text)
  local out = {}
  for i = 1, #text, 3 do
    local a, b, c = text:byte(i, i + 2)
    local bits = a * 65536 + b * 256 + c
    for shift = 18, 0, -6 do
      local digit = floor(bits / 2 ^ shift) % 64
      out[#out + 1] = alphabet:sub(digit + 1, digit + 1)
    end
  end
  return table.concat(out)
end`;
