// Names of exports in AssemblyScript are identifiers; those of the canonical ABI are not.

import { Transform } from "assemblyscript/transform";

const ON_REQUEST = "sluice:filter/on-request@0.1.0#";
const ON_RESPONSE = "sluice:filter/on-response@0.1.0#";
const ON_BODY = "sluice:filter/on-body@0.1.0#";

const NAMES = {
  onRequest: [`${ON_REQUEST}on-request`],
  onResponse: [`${ON_RESPONSE}on-response`],
  open: [`${ON_BODY}open`],
  push: [`${ON_BODY}push`],
  finish: [`${ON_BODY}finish`],
  collect: [`cabi_post_${ON_REQUEST}on-request`, `cabi_post_${ON_BODY}push`, `cabi_post_${ON_BODY}finish`],
};

export default class extends Transform {
  afterCompile(module) {
    for (const [name, wanted] of Object.entries(NAMES)) {
      const { value } = this.binaryen.getExportInfo(module.getExport(name));
      module.removeExport(name);
      for (const exported of wanted) module.addFunctionExport(value, exported);
    }
    module.removeExport("abort");
  }
}
