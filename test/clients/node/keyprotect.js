// Calls every operation of IBM's Node client for Key Protect, in an instance that IBM's Node client
// for the platform makes and removes. It knows the server from the environment alone, as the
// credentials file sets it. What is wrong is an uncaught exception.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import KeyProtect from '@ibm-cloud/ibm-key-protect/ibm-key-protect-api/v2.js';
import Auth from '@ibm-cloud/ibm-key-protect/auth/index.js';
import ResourceController from '@ibm-cloud/platform-services/resource-controller/v2.js';
import { IamAuthenticator } from '@ibm-cloud/platform-services/auth/index.js';

const env = (name) => {
  assert.ok(process.env[name], `the credentials file does not set ${name}`);
  return process.env[name];
};
const tokens = { apikey: env('STRONGROOM_API_KEY'), url: env('STRONGROOM_URL') };
const keyType = 'application/vnd.ibm.kms.key+json';
const policyType = 'application/vnd.ibm.kms.policy+json';

const client = new KeyProtect({ authenticator: new Auth.IamAuthenticator(tokens), serviceUrl: env('STRONGROOM_URL') });
const platform = new ResourceController({ authenticator: new IamAuthenticator(tokens), serviceUrl: env('STRONGROOM_URL') });

// called counts the operations, so that none is forgotten.
const operations = Object.getOwnPropertyNames(KeyProtect.prototype).filter((name) => name !== 'constructor');
const called = new Set();

// call performs an operation and returns its answer, which must have the status.
async function call(operation, status, params = {}) {
  called.add(operation);
  const answer = await client[operation]({ bluemixInstance: instance, ...params });
  assert.equal(answer.status, status, `${operation} answered ${answer.status}`);
  return answer;
}

// refused performs an operation that must fail with the status and the reason code.
async function refused(operation, status, code, params = {}) {
  await assert.rejects(client[operation]({ bluemixInstance: instance, ...params }), (err) => {
    assert.equal(err.status, status, `${operation}: ${err.body}`);
    assert.ok(!code || err.body.includes(`"${code}"`), `${operation}: ${err.body}`);
    return true;
  });
}

const collection = (type, ...resources) => ({
  metadata: { collectionType: type, collectionTotal: resources.length }, resources,
});

async function create(fields) {
  const body = collection(keyType, { type: keyType, extractable: false, ...fields });
  const { result } = await call('createKey', 201, { body });
  assert.equal(result.metadata.collectionTotal, 1);
  assert.equal(result.resources[0].lastUpdateDate, undefined);
  return result.resources[0];
}

const made = await platform.createResourceInstance({
  name: 'node client', target: env('STRONGROOM_REGION'), resourceGroup: env('STRONGROOM_RESOURCE_GROUP_ID'),
  resourcePlanId: 'eedd3585-90c6-4c8f-be3d-062069e99fc3',
});
assert.equal(made.status, 201);
const instance = made.result.guid;
const found = await platform.getResourceInstance({ id: made.result.crn });
assert.equal(found.result.state, 'active');

// Keys, and what they wrap.
const root = await create({ name: 'root', tags: ['a tag'], description: 'made by the Node client' });
const standard = await create({ name: 'standard', extractable: true });
const { result: read } = await call('getKey', 200, { id: standard.id });
assert.equal(Buffer.from(read.resources[0].payload, 'base64').length, 32);
const { result: metadata } = await call('getKeyMetadata', 200, { id: root.id });
assert.ok(metadata.resources[0].lastUpdateDate);
const dek = crypto.randomBytes(32).toString('base64');
const aad = ['one', 'two'];
const { result: wrapped } = await call('wrapKey', 200, { id: root.id, keyActionWrapBody: { plaintext: dek, aad } });
await call('rotateKey', 204, { id: root.id, keyActionRotateBody: {}, prefer: 'return=representation' });
const { result: opened } = await call('unwrapKey', 200, { id: root.id, keyActionUnwrapBody: { ciphertext: wrapped.ciphertext, aad } });
assert.equal(opened.plaintext, dek);
assert.notEqual(opened.rewrappedKeyVersion.id, opened.keyVersion.id);
const { result: rewrapped } = await call('rewrapKey', 200, { id: root.id, keyActionRewrapBody: { ciphertext: wrapped.ciphertext, aad } });
assert.equal(rewrapped.rewrappedKeyVersion.id, opened.rewrappedKeyVersion.id);
await refused('unwrapKey', 422, 'UNPROCESSABLE_CIPHERTEXT_ERR', { id: root.id, keyActionUnwrapBody: { ciphertext: wrapped.ciphertext } });
const { result: versions } = await call('getKeyVersions', 200, { id: root.id, limit: 10, offset: 0 });
assert.deepEqual(versions.resources.map((v) => v.id), [opened.rewrappedKeyVersion.id, root.id]);

// Lists.
const { result: listed } = await call('getKeys', 200, { limit: 10, offset: 0, extractable: false, state: [1] });
assert.deepEqual(listed.resources.map((k) => k.id), [root.id]);
const { headers } = await call('getKeyCollectionMetadata', 200, { state: [1, 2] });
assert.equal(headers['key-total'], '2');
const { result: registrations } = await call('getRegistrations', 200, { id: standard.id, totalCount: true });
assert.deepEqual(registrations.resources, []);
const { result: all } = await call('getRegistrationsAllKeys', 200, {
  urlEncodedResourceCrnQuery: encodeURIComponent(`crn:v1:bluemix:public:cloud-object-storage:global:a/${env('STRONGROOM_ACCOUNT_ID')}:${instance}:bucket:*`),
});
assert.equal(all.metadata.collectionTotal, 0);

// Rings and aliases.
await call('createKeyRing', 201, { keyRingId: 'node-ring' });
const { result: rings } = await call('listKeyRings', 200);
assert.deepEqual(rings.resources.map((r) => r.id), ['default', 'node-ring']);
await call('deleteKeyRing', 204, { keyRingId: 'node-ring' });
const { result: alias } = await call('createKeyAlias', 201, { id: root.id, alias: 'node-alias' });
assert.equal(alias.resources[0].keyId, root.id);
await refused('createKeyAlias', 409, 'KEY_ALIAS_NOT_UNIQUE_ERR', { id: standard.id, alias: 'node-alias' });
await call('getKeyMetadata', 200, { id: 'node-alias' });
await call('deleteKeyAlias', 204, { id: root.id, alias: 'node-alias' });

// Policies.
const { result: rotation } = await call('putPolicy', 200, {
  id: root.id, policy: 'rotation', setKeyPoliciesOneOf: collection(policyType, { type: policyType, rotation: { interval_month: 3 } }),
});
assert.equal(rotation.resources[0].rotation.interval_month, 3);
await call('putPolicy', 200, {
  id: root.id, setKeyPoliciesOneOf: collection(policyType, { type: policyType, rotation: { interval_month: 2 }, dualAuthDelete: { enabled: false } }),
});
const { result: both } = await call('getPolicy', 200, { id: root.id });
assert.equal(both.resources.length, 2);
const set = [
  { policy_type: 'dualAuthDelete', policy_data: { enabled: false } },
  { policy_type: 'allowedNetwork', policy_data: { enabled: true, attributes: { allowed_network: 'public-and-private' } } },
];
await call('putInstancePolicy', 204, { setInstancePoliciesOneOf: collection(policyType, ...set) });
const { result: policies } = await call('getInstancePolicy', 200);
assert.deepEqual(policies.resources.map((p) => p.policy_type).sort(), ['allowedNetwork', 'dualAuthDelete']);
const { result: ports } = await call('getAllowedIpPort', 200);
assert.deepEqual(ports.resources, []);

// Import under a token.
const { result: token } = await call('postImportToken', 200, { expiration: 300, maxAllowedRetrievals: 2 });
assert.equal(token.remainingRetrievals, 2);
const { result: retrieved } = await call('getImportToken', 200);
const material = crypto.randomBytes(32);
const iv = crypto.randomBytes(12);
const sealing = crypto.createCipheriv('aes-256-gcm', material, iv);
const sealed = Buffer.concat([sealing.update(Buffer.from(retrieved.nonce, 'base64')), sealing.final(), sealing.getAuthTag()]);
const imported = await create({
  name: 'imported',
  payload: crypto.publicEncrypt({ key: Buffer.from(retrieved.payload, 'base64').toString(), oaepHash: 'sha256' }, material).toString('base64'),
  encryptedNonce: sealed.toString('base64'), iv: iv.toString('base64'), encryptionAlgorithm: 'RSAES_OAEP_SHA_256',
});
assert.equal(imported.imported, true);

// The life of a key.
await call('disableKey', 204, { id: root.id });
await refused('wrapKey', 409, 'KEY_ACTION_INVALID_STATE_ERR', { id: root.id, keyActionWrapBody: {} });
await call('enableKey', 204, { id: root.id });
await refused('syncAssociatedResources', 409, 'REQ_TOO_EARLY_ERR', { id: root.id });
await call('syncAssociatedResources', 204, { id: imported.id });
await call('putPolicy', 200, {
  id: imported.id, policy: 'dualAuthDelete', setKeyPoliciesOneOf: collection(policyType, { type: policyType, dualAuthDelete: { enabled: true } }),
});
await call('setKeyForDeletion', 204, { id: imported.id });
await refused('deleteKey', 409, 'AUTHORIZATIONS_NOT_MET', { id: imported.id });
await call('unsetKeyForDeletion', 204, { id: imported.id });
const { result: deleted } = await call('deleteKey', 200, { id: root.id, prefer: 'return=representation', force: true });
assert.equal(deleted.resources[0].state, 5);
const { result: stream } = await call('restoreKey', 201, { id: root.id, prefer: 'return=representation' });
const restored = JSON.parse(Buffer.concat(await stream.toArray()).toString());
assert.equal(restored.resources[0].state, 1);
assert.equal((await call('unwrapKey', 200, { id: root.id, keyActionUnwrapBody: { ciphertext: wrapped.ciphertext, aad } })).result.plaintext, dek);

assert.deepEqual(operations.filter((name) => !called.has(name)), [], 'operations that were not called');
console.log(`${called.size} operations of ${operations.length}`);
