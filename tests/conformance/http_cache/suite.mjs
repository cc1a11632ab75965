// Where the suite has its parts: the release of npm and the current source differ.

import fs from 'fs'
import { createRequire } from 'module'

// The folder with client/ and server/.
export async function engine (suite) {
  const current = `${suite}/test-engine`
  return fs.existsSync(current) ? current : suite
}

// Every suite of tests, with those that the release runs but does not list.
export async function suites (suite) {
  const listed = (await import(`${suite}/tests/index.mjs`)).default
  const surrogate = `${suite}/tests/surrogate-control.mjs`
  return fs.existsSync(surrogate) ? [...listed, (await import(surrogate)).default] : listed
}

// Runs them through the proxy at `base`; the results by test.
export async function run (suite, tests, base) {
  const root = await engine(suite)
  const { runTests, getResults } = await import(`${root}/client/runner.mjs`)
  if (root === suite) { // the release takes the fetch to use
    await runTests(tests, createRequire(`${suite}/package.json`)('node-fetch'), false, base)
  } else {
    await runTests(tests, false, base)
  }
  return getResults()
}
