// Calls every operation of IBM's Node client for Cloud Object Storage, with an API key, in an instance
// that is made for it. It knows the server from the environment alone, as the credentials file sets it.
// What is wrong is an uncaught exception.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import COS from 'ibm-cos-sdk';
import ResourceController from '@ibm-cloud/platform-services/resource-controller/v2.js';
import { IamAuthenticator } from '@ibm-cloud/platform-services/auth/index.js';

const env = (name) => {
  assert.ok(process.env[name], `the credentials file does not set ${name}`);
  return process.env[name];
};
const platform = new ResourceController({
  authenticator: new IamAuthenticator({ apikey: env('STRONGROOM_API_KEY'), url: env('STRONGROOM_URL') }), serviceUrl: env('STRONGROOM_URL'),
});
const { result: instance } = await platform.createResourceInstance({
  name: 'node client', target: 'global', resourceGroup: env('STRONGROOM_RESOURCE_GROUP_ID'),
  resourcePlanId: '744bfc56-d12c-4866-88d5-dac9139e0e5d',
});
const client = new COS.S3({
  endpoint: env('STRONGROOM_S3_URL'), ibmAuthEndpoint: `${env('STRONGROOM_URL')}/identity/token`,
  apiKeyId: env('STRONGROOM_API_KEY'), serviceInstanceId: instance.crn, s3ForcePathStyle: true, maxRetries: 0,
});

// called counts the operations, so that none is forgotten.
const operations = Object.keys(client.api.operations);
const called = new Set();

// call performs an operation on an object of the bucket and returns its answer.
let bucket = `node-${crypto.randomBytes(8).toString('hex')}`;
function call(operation, params = {}) {
  called.add(operation);
  const members = client.api.operations[operation].input.members;
  const where = {};
  if (members.Bucket) where.Bucket = bucket;
  if (members.Key) where.Key = 'key';
  return client[operation]({ ...where, ...params }).promise();
}

// refused performs an operation that must fail with the status and the code.
async function refused(operation, status, code, params = {}) {
  await assert.rejects(call(operation, params), (err) => {
    assert.equal(err.statusCode, status, `${operation}: ${err}`);
    assert.equal(err.code, code, `${operation}: ${err}`);
    return true;
  });
}

const sum = (content) => `"${crypto.createHash('md5').update(content).digest('hex')}"`;

// Buckets.
await refused('headBucket', 404, 'NotFound');
await call('createBucket', { CreateBucketConfiguration: { LocationConstraint: 'us-south-smart' } });
await call('headBucket');
assert.deepEqual((await call('listBuckets')).Buckets.map((b) => b.Name), [bucket]);
assert.equal((await call('listBucketsExtended')).Buckets[0].LocationConstraint, 'us-south-smart');
assert.equal((await call('getBucketLocation')).LocationConstraint, 'us-south-smart');

// Objects.
const content = crypto.randomBytes(100_000);
const put = await call('putObject', { Key: 'a b/ü+(1)', Body: content, Metadata: { colour: 'green' }, ContentType: 'text/plain' });
assert.equal(put.ETag, sum(content));
const got = await call('getObject', { Key: 'a b/ü+(1)' });
assert.ok(got.Body.equals(content));
assert.deepEqual(got.Metadata, { colour: 'green' });
assert.equal(got.ContentType, 'text/plain');
const part = await call('getObject', { Key: 'a b/ü+(1)', Range: 'bytes=-10' });
assert.ok(part.Body.equals(content.subarray(-10)));
assert.equal((await call('headObject', { Key: 'a b/ü+(1)' })).ContentLength, content.length);
await call('copyObject', { CopySource: `${bucket}/${encodeURIComponent('a b/ü+(1)')}` });
assert.equal((await call('headObject')).ETag, put.ETag);
await refused('getObject', 404, 'NoSuchKey', { Key: 'missing' });
assert.deepEqual((await call('listObjects')).Contents.map((o) => o.Key), ['a b/ü+(1)', 'key']);
const page = await call('listObjectsV2', { MaxKeys: 1 });
assert.equal(page.IsTruncated, true);
assert.equal((await call('listObjectsV2', { ContinuationToken: page.NextContinuationToken })).Contents[0].Key, 'key');

// In parts: by the client's own uploader, and by hand.
const large = crypto.randomBytes(11 << 20);
await client.upload({ Bucket: bucket, Key: 'large', Body: large }, { partSize: 5 << 20, queueSize: 2 }).promise();
assert.ok((await call('getObject', { Key: 'large' })).Body.equals(large));
const { UploadId } = await call('createMultipartUpload', { Key: 'parts' });
const upload = { Key: 'parts', UploadId };
const first = await call('uploadPartCopy', { ...upload, PartNumber: 1, CopySource: `${bucket}/large`, CopySourceRange: `bytes=0-${(5 << 20) - 1}` });
const second = await call('uploadPart', { ...upload, PartNumber: 2, Body: 'the end' });
assert.deepEqual((await call('listParts', upload)).Parts.map((p) => p.Size), [5 << 20, 7]);
assert.equal((await call('listMultipartUploads')).Uploads.length, 1);
const whole = await call('completeMultipartUpload', {
  ...upload, MultipartUpload: { Parts: [{ PartNumber: 1, ETag: first.CopyPartResult.ETag }, { PartNumber: 2, ETag: second.ETag }] },
});
assert.match(whole.ETag, /-2"$/);
const given = await call('createMultipartUpload', { Key: 'given up' });
await call('abortMultipartUpload', { Key: 'given up', UploadId: given.UploadId });

// Tags, ACLs, public access.
await call('putObjectTagging', { Tagging: { TagSet: [{ Key: 'a', Value: '1' }] } });
assert.deepEqual((await call('getObjectTagging')).TagSet, [{ Key: 'a', Value: '1' }]);
await call('deleteObjectTagging');
await call('putObjectAcl', { ACL: 'public-read' });
assert.equal((await call('getObjectAcl')).Grants.length, 2);
await call('putBucketAcl', { ACL: 'private' });
assert.equal((await call('getBucketAcl')).Grants.length, 1);
await call('putPublicAccessBlock', { PublicAccessBlockConfiguration: { BlockPublicAcls: true, IgnorePublicAcls: false } });
assert.deepEqual((await call('getPublicAccessBlock')).PublicAccessBlockConfiguration, { BlockPublicAcls: true, IgnorePublicAcls: false });
await refused('putObjectAcl', 403, 'AccessDenied', { ACL: 'public-read' });
await call('deletePublicAccessBlock');

// What a bucket is told.
const cors = [{ AllowedMethods: ['GET'], AllowedOrigins: ['*'], AllowedHeaders: [], ExposeHeaders: [] }];
await call('putBucketCors', { CORSConfiguration: { CORSRules: cors } });
assert.deepEqual((await call('getBucketCors')).CORSRules, cors);
await call('deleteBucketCors');
const rules = [{ ID: 'logs', Status: 'Enabled', Filter: { Prefix: 'logs/' }, Expiration: { Days: 30 } }];
await call('putBucketLifecycleConfiguration', { LifecycleConfiguration: { Rules: rules } });
assert.equal((await call('getBucketLifecycleConfiguration')).Rules[0].Expiration.Days, 30);
await call('putBucketLifecycle', { LifecycleConfiguration: { Rules: [{ ID: 'old', Status: 'Enabled', Filter: { Prefix: 'old/' }, Expiration: { Days: 3 } }] } });
assert.equal((await call('getBucketLifecycle')).Rules[0].ID, 'old');
await call('deleteBucketLifecycle');
await call('putBucketWebsite', { WebsiteConfiguration: { IndexDocument: { Suffix: 'index.html' } } });
assert.equal((await call('getBucketWebsite')).IndexDocument.Suffix, 'index.html');
await call('deleteBucketWebsite');
await refused('restoreObject', 403, 'ObjectAlreadyInActiveTierError', { RestoreRequest: { Days: 1, GlacierJobParameters: { Tier: 'Bulk' } } });
for (const operation of ['getBucketTagging', 'deleteBucketTagging']) await refused(operation, 501, 'NotImplemented');
await refused('putBucketTagging', 501, 'NotImplemented', { Tagging: { TagSet: [] } });

// Versions and what they are copied to.
await call('putBucketVersioning', { VersioningConfiguration: { Status: 'Enabled' } });
assert.equal((await call('getBucketVersioning')).Status, 'Enabled');
const { VersionId } = await call('putObject', { Body: 'newer' });
await call('deleteObject');
await refused('headObject', 404, 'NotFound');
assert.equal((await call('getObject', { VersionId })).Body.toString(), 'newer');
const replication = {
  Role: '',
  Rules: [{
    ID: 'r', Status: 'Enabled', Priority: 1, Filter: { Prefix: '' }, DeleteMarkerReplication: { Status: 'Disabled' },
    Destination: { Bucket: `${instance.crn.replace(/::$/, '')}:bucket:${bucket}` },
  }],
};
await call('putBucketReplication', { ReplicationConfiguration: replication });
assert.equal((await call('getBucketReplication')).ReplicationConfiguration.Rules[0].ID, 'r');
await call('deleteBucketReplication');
assert.deepEqual((await call('listBucketReplicationFailures')).Contents, []);
await call('putBucketReplicationReattempt');

// Everything goes, and the bucket with it.
const { Versions, DeleteMarkers } = await call('listObjectVersions');
assert.equal(DeleteMarkers.length, 1);
const all = [...Versions, ...DeleteMarkers].map(({ Key, VersionId }) => ({ Key, VersionId }));
assert.equal((await call('deleteObjects', { Delete: { Objects: all } })).Deleted.length, all.length);
await call('deleteBucket');

// Object Lock.
bucket += '-locked';
await call('createBucket', { ObjectLockEnabledForBucket: true });
assert.equal((await call('getBucketLocation')).LocationConstraint, `${env('AWS_REGION')}-standard`); // the client sends the region alone
const rule = { DefaultRetention: { Mode: 'GOVERNANCE', Days: 1 } };
await call('putObjectLockConfiguration', { ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule: rule } });
assert.deepEqual((await call('getObjectLockConfiguration')).ObjectLockConfiguration.Rule, rule);
const locked = await call('putObject', { Body: 'content' });
const until = new Date(Math.ceil(Date.now() / 1000) * 1000 + 7 * 86_400_000);
await call('putObjectRetention', { Retention: { Mode: 'GOVERNANCE', RetainUntilDate: until } });
assert.equal(+(await call('getObjectRetention')).Retention.RetainUntilDate, +until);
await call('putObjectLegalHold', { LegalHold: { Status: 'ON' } });
assert.equal((await call('getObjectLegalHold')).LegalHold.Status, 'ON');
const bypass = { VersionId: locked.VersionId, BypassGovernanceRetention: true };
await refused('deleteObject', 403, 'AccessDenied', bypass);
await call('putObjectLegalHold', { LegalHold: { Status: 'OFF' } });
await call('deleteObject', bypass);
await call('deleteBucket');

// A retention policy, and the holds that go with it.
bucket += '-kept';
await call('createBucket');
const days = (n) => ({ Days: n });
await call('putBucketProtectionConfiguration', {
  ProtectionConfiguration: { Status: 'Retention', MinimumRetention: days(0), DefaultRetention: days(0), MaximumRetention: days(9) },
});
assert.equal((await call('getBucketProtectionConfiguration')).MaximumRetention.Days, 9);
await call('putObject', { Body: 'content', RetentionPeriod: 0, RetentionLegalHoldId: 'case-1' });
await call('addLegalHold', { RetentionLegalHoldId: 'case-2' });
const held = await call('listLegalHolds');
assert.deepEqual(held.LegalHolds.map((h) => h.ID), ['case-1', 'case-2']);
for (const { ID } of held.LegalHolds) {
  await refused('deleteObject', 403, 'AccessDenied');
  await call('deleteLegalHold', { RetentionLegalHoldId: ID });
}
await call('deleteObject');
await call('putObject', { Body: 'content' });
await call('extendObjectRetention', { AdditionalRetentionPeriod: 86_400 });
await refused('deleteObject', 403, 'AccessDenied');

assert.deepEqual(operations.filter((name) => !called.has(name)), [], 'operations that were not called');
console.log(`${called.size} operations of ${operations.length}`);
