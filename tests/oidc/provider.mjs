// SPDX-License-Identifier: Apache-2.0
// oidc-provider over TLS, at the paths of the identity API (/cis/oidc/...). Its one argument is a file with
// {cert, key, ca, clients}; it prints {"event": "ready", "url": ...} and ends with its standard input.
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { Provider } from 'oidc-provider';

const MOUNT = '/cis/oidc';
const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));

const subjectOf = (certificate) => certificate.subject.split('\n').reverse().join(',');

const configuration = {
  clients: settings.clients,
  jwks: { keys: [{ ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' }] },
  cookies: { keys: ['never used: no person logs in here'] },
  scopes: [],
  responseTypes: [],
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'tls_client_auth', 'none'],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    mTLS: {
      enabled: true,
      tlsClientAuth: true,
      certificateBoundAccessTokens: true,
      getCertificate: (ctx) => ctx.req.socket.getPeerX509Certificate()?.toString(),
      certificateAuthorized: (ctx) => ctx.req.socket.authorized,
      certificateSubjectMatches: (ctx, property, expected) =>
        property === 'tls_client_auth_subject_dn' && subjectOf(ctx.req.socket.getPeerX509Certificate()) === expected,
    },
  },
};

let handle;
const server = createServer({
  cert: readFileSync(settings.cert),
  key: readFileSync(settings.key),
  ca: readFileSync(settings.ca),
  requestCert: true,
  rejectUnauthorized: false,
}, (request, response) => {
  request.originalUrl = request.url;
  request.url = request.url.startsWith(MOUNT) ? request.url.slice(MOUNT.length) || '/' : request.url;
  handle(request, response);
});

server.listen(0, '127.0.0.1', () => {
  const url = `https://127.0.0.1:${server.address().port}`;
  const provider = new Provider(url + MOUNT, configuration);
  provider.on('server_error', (ctx, error) => console.error(error));
  handle = provider.callback();
  console.log(JSON.stringify({ event: 'ready', url, issuer: url + MOUNT }));
});
process.stdin.on('end', () => process.exit(0)).resume();
