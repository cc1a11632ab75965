// Names of exports in AssemblyScript are identifiers; those of the canonical ABI are not.

import { Transform } from "assemblyscript/transform";

const ON_REQUEST = "sluice:filter/on-request@0.1.0#on-request";

const NAMES = {
  onRequest: [ON_REQUEST],
  collect: [`cabi_post_${ON_REQUEST}`],
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
