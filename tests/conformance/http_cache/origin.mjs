// The suite's origin on a loopback port of its own choice, which it prints: node origin.mjs SUITE

import http from 'http'
import { engine } from './suite.mjs'

const root = await engine(process.argv[2])
const handler = async name => (await import(`${root}/server/handle-${name}.mjs`)).default
const handlers = { config: await handler('config'), test: await handler('test'), state: await handler('state') }

const server = http.createServer((request, response) => {
  const [, name, ...rest] = new URL(request.url, 'http://127.0.0.1').pathname.split('/')
  if (name in handlers) {
    handlers[name](rest, request, response)
  } else {
    response.writeHead(404).end()
  }
})
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`))
