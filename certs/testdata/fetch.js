// Fetches https://TARGET/ through the proxy for each argument and says how it
// went. Node gets our root from NODE_EXTRA_CA_CERTS, as the Azure SDK would.
const http = require('http')
const net = require('net')
const tls = require('tls')

const proxy = new URL(process.env.HTTPS_PROXY)

function fetch(target) {
  const host = target.replace(/^\[|\]$/g, '')
  return new Promise((resolve, reject) => {
    const connect = http.request({
      host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: `${target}:443`,
    })
    connect.on('error', reject)
    connect.on('connect', (_, socket) => {
      const secure = tls.connect({ socket, host, servername: net.isIP(host) ? '' : host }, () => {
        http.get({ host: target, path: '/', headers: { Host: target, Connection: 'close' }, createConnection: () => secure }, (res) => {
          let body = ''
          res.on('data', (chunk) => { body += chunk })
          res.on('end', () => resolve(body))
        }).on('error', reject)
      })
      secure.on('error', reject)
    })
    connect.end()
  })
}

async function main() {
  for (const target of process.argv.slice(2)) {
    const verdict = await fetch(target).then((body) => `accepted ${body}`, (err) => `refused ${err}`)
    console.log(`node ${target} ${verdict.replace(/\s+/g, ' ')}`)
  }
}

main()
