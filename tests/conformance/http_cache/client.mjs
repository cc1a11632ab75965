// Runs the suite through a proxy and prints a line of JSON per test: node client.mjs SUITE BASE

import { run, suites } from './suite.mjs'

const [suite, base] = process.argv.slice(2)
const tests = await suites(suite)
const results = await run(suite, tests, base)
for (const { id: group, tests: members } of tests) {
  for (const { id, kind = 'required', depends_on: needs = [], browser_only: browserOnly } of members) {
    if (!browserOnly) {
      const result = results[id] ?? ['missing', 'no result']
      console.log(JSON.stringify({ id, group, kind, needs, failure: result === true ? null : result.join(': ') }))
    }
  }
}
process.exit(0) // connections are kept alive
