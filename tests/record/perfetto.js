// Asks Perfetto's own trace processor about a trace: `node perfetto.js UI TRACE QUERY`, where UI is a folder of Perfetto's user
// interface, which has the trace processor as WebAssembly. The query gives one column of texts, which are shown on a line each.
//
// The trace processor is made for a worker of a browser, which this pretends to be. It is talked to in messages of protocol buffers
// (`protos/perfetto/trace_processor/trace_processor.proto` there), of which this knows as much as it needs.
"use strict";
const fs = require("fs");
const path = require("path");
const process = require("process");
const vm = require("vm");

const [ui, trace, query] = process.argv.slice(2);

// Numbers of methods, and of fields of messages.
const APPEND = 1, FINALIZE = 2, QUERY = 3;
const STREAM = { message: 1 };
const RPC = { fatal: 5, request: 2, appended: 101, query: 103, appendResult: 201, queryResult: 203, finalizeResult: 212 };
const QUERY_ARGUMENTS = { sql: 1 };
const RESULT = { error: 2, batch: 3 };
const BATCH = { strings: 5 };

function varint(number) {
  const bytes = [];
  for (; number > 127; number = Math.floor(number / 128)) bytes.push(number % 128 | 128);
  return Buffer.from([...bytes, number]);
}

const number = (field, value) => Buffer.concat([varint(field * 8), varint(value)]);
const bytes = (field, value) => Buffer.concat([varint(field * 8 + 2), varint(value.length), value]);

// The fields of a message that are bytes: their numbers, and what is in them.
function* fields(message) {
  let at = 0;
  const next = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++];
      value += byte % 128 * factor;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const key = next();
    const [field, kind] = [Math.floor(key / 8), key % 8];
    if (kind === 0) next();
    else if (kind === 1) at += 8;
    else if (kind === 5) at += 4;
    else {
      const length = next();
      yield [field, message.subarray(at, at + length)];
      at += length;
    }
  }
}

function complain(text) {
  console.error(text);
  process.exit(1);
}

function show(result) {
  for (const [field, value] of fields(result)) {
    if (field === RESULT.error && value.length) complain(value.toString());
    if (field !== RESULT.batch) continue;
    for (const [part, strings] of fields(value)) {
      if (part === BATCH.strings) process.stdout.write(strings.toString().replaceAll("\0", "\n"));
    }
  }
}

function answered(data) {
  for (const [, message] of fields(Buffer.from(data))) {
    for (const [field, value] of fields(message)) {
      if (field === RPC.fatal) complain(value.toString());
      if (field === RPC.queryResult) show(value);
      if (field === RPC.appendResult || field === RPC.finalizeResult) {
        for (const [part, error] of fields(value)) if (part === RESULT.error) complain(error.toString());
      }
    }
  }
}

// The worker takes a port at which it then takes messages, and answers each before it takes the next.
const port = { postMessage: answered, onmessage: null };

// What the worker would ask of the browser: files, at once.
class Request {
  open(_method, name) {
    this.name = path.basename(name);
  }

  send() {
    this.response = new Uint8Array(fs.readFileSync(path.join(ui, this.name))).buffer;
  }
}

Object.assign(globalThis, { self: globalThis, location: { href: "http://localhost/" }, WorkerGlobalScope: true, XMLHttpRequest: Request });
delete globalThis.process;
console.log = () => {};

async function main() {
  vm.runInThisContext(fs.readFileSync(path.join(ui, "engine_bundle.js"), "utf8"));
  // In a browser, what makes it ready is done before it gets a message.
  await new Promise((wake) => setTimeout(wake));
  globalThis.onmessage({ data: port });
  let seq = 0;
  const send = (method, ...parts) => {
    const message = Buffer.concat([number(1, seq++), number(RPC.request, method), ...parts]);
    port.onmessage({ data: new Uint8Array(bytes(STREAM.message, message)) });
  };
  send(APPEND, bytes(RPC.appended, fs.readFileSync(trace)));
  send(FINALIZE);
  send(QUERY, bytes(RPC.query, bytes(QUERY_ARGUMENTS.sql, Buffer.from(query))));
  process.exit(0);
}

main().catch((error) => complain(error.stack));
