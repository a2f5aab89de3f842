package s3

import (
	"net/http"
	"slices"

	"strongroom/iam"
	"strongroom/objects"
)

// operations is all that the face offers.
func (f *face) operations() []operation {
	return slices.Concat(f.bucketOperations(), f.configOperations(), f.objectOperations(), f.aboutObjectOperations())
}

// bucketOperations are those on buckets and on the lists of what is in them.
func (f *face) bucketOperations() []operation {
	const get, put, post, del, options = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodOptions
	return []operation{
		{method: get, on: onService, action: objects.ActionListBuckets, handle: f.listBuckets},
		{method: get, on: onService, sub: "extended", action: objects.ActionListBuckets, handle: f.listBucketsExtended},
		{method: put, on: onBucket, action: objects.ActionCreateBucket, handle: f.createBucket},
		{method: http.MethodHead, on: onBucket, action: objects.ActionBucketHead, handle: f.headBucket},
		{method: del, on: onBucket, action: objects.ActionDeleteBucket, status: http.StatusNoContent, handle: f.deleteBucket},
		{method: get, on: onBucket, sub: "location", action: objects.ActionBucketGetLocation, handle: f.bucketLocation},
		{method: get, on: onBucket, action: objects.ActionBucketGet, handle: f.listObjects},
		{method: get, on: onBucket, sub: "list-type=2", action: objects.ActionBucketGet, handle: f.listObjectsV2},
		{method: get, on: onBucket, sub: "versions", action: objects.ActionBucketGetVersions, handle: f.listVersions},
		{method: get, on: onBucket, sub: "uploads", action: objects.ActionBucketGetUploads, handle: f.listUploads},
		{method: post, on: onBucket, sub: "delete", action: objects.ActionObjectPostMultiDelete, handle: f.deleteMany},

		{method: options, on: onService, action: actionPreflight, open: f.preflight},
		{method: options, on: onBucket, action: actionPreflight, open: f.preflight},
		{method: options, on: onObject, action: actionPreflight, open: f.preflight},
	}
}

// configOperations are those on the configuration of buckets.
func (f *face) configOperations() []operation {
	const get, put, del, none = http.MethodGet, http.MethodPut, http.MethodDelete, http.StatusNoContent
	return []operation{
		{method: get, on: onBucket, sub: "acl", action: objects.ActionBucketGetACL, handle: f.getBucketACL},
		{method: put, on: onBucket, sub: "acl", action: objects.ActionBucketPutACL, handle: f.putBucketACL},
		{method: get, on: onBucket, sub: "cors", action: objects.ActionBucketGetCORS, handle: f.getCORS},
		{method: put, on: onBucket, sub: "cors", action: objects.ActionBucketPutCORS, handle: f.putCORS},
		{method: del, on: onBucket, sub: "cors", action: objects.ActionBucketDeleteCORS, status: none, handle: f.deleteCORS},
		{method: get, on: onBucket, sub: "encryption", action: objects.ActionBucketGetEncryption, handle: f.getEncryption},
		{method: put, on: onBucket, sub: "encryption", action: objects.ActionBucketPutEncryption, handle: f.putEncryption},
		{method: del, on: onBucket, sub: "encryption", action: objects.ActionBucketDeleteEncryption, status: none, handle: f.deleteEncryption},
		{method: get, on: onBucket, sub: "lifecycle", action: objects.ActionBucketGetLifecycle, handle: f.getLifecycle},
		{method: put, on: onBucket, sub: "lifecycle", action: objects.ActionBucketPutLifecycle, handle: f.putLifecycle},
		{method: del, on: onBucket, sub: "lifecycle", action: objects.ActionBucketPutLifecycle, status: none, handle: f.deleteLifecycle},
		{method: get, on: onBucket, sub: "logging", action: objects.ActionBucketGetBasic, handle: f.getLogging},
		{method: put, on: onBucket, sub: "logging", action: objects.ActionBucketGetBasic, handle: f.putLogging},
		{method: get, on: onBucket, sub: "object-lock", action: objects.ActionBucketGetObjectLockConfiguration, handle: f.getObjectLock},
		{method: put, on: onBucket, sub: "object-lock", action: objects.ActionBucketPutObjectLockConfiguration, handle: f.putObjectLock},
		{method: get, on: onBucket, sub: "protection", action: objects.ActionBucketGetProtection, handle: f.getProtection},
		{method: put, on: onBucket, sub: "protection", action: objects.ActionBucketPutProtection, handle: f.putProtection},
		{method: get, on: onBucket, sub: "publicAccessBlock", action: objects.ActionBucketGetPublicAccessBlock, handle: f.getPublicAccessBlock},
		{method: put, on: onBucket, sub: "publicAccessBlock", action: objects.ActionBucketPutPublicAccessBlock, handle: f.putPublicAccessBlock},
		{method: del, on: onBucket, sub: "publicAccessBlock", action: objects.ActionBucketDeletePublicAccessBlock, status: none, handle: f.deletePublicAccessBlock},
		{method: get, on: onBucket, sub: "replication", action: objects.ActionBucketGetReplication, handle: f.getReplication},
		{method: put, on: onBucket, sub: "replication", action: objects.ActionBucketPutReplication, handle: f.putReplication},
		{method: del, on: onBucket, sub: "replication", action: objects.ActionBucketDeleteReplication, status: none, handle: f.deleteReplication},
		{method: get, on: onBucket, sub: "ibm-replication-failures", action: objects.ActionBucketGetReplication, handle: f.listReplicationFailures},
		{method: put, on: onBucket, sub: "ibm-replication-reattempt", action: objects.ActionBucketPutReplication, handle: f.reattemptReplication},
		{method: get, on: onBucket, sub: "versioning", action: objects.ActionBucketGetVersioning, handle: f.getVersioning},
		{method: put, on: onBucket, sub: "versioning", action: objects.ActionBucketPutVersioning, handle: f.putVersioning},
		{method: get, on: onBucket, sub: "website", action: objects.ActionBucketGetWebsite, handle: f.getWebsite},
		{method: put, on: onBucket, sub: "website", action: objects.ActionBucketPutWebsite, handle: f.putWebsite},
		{method: del, on: onBucket, sub: "website", action: objects.ActionBucketDeleteWebsite, status: none, handle: f.deleteWebsite},
	}
}

// aboutObjectOperations are those on what a bucket keeps about an object.
func (f *face) aboutObjectOperations() []operation {
	const get, put, post, del = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete
	return []operation{
		{method: get, on: onObject, sub: "acl", action: objects.ActionObjectGetACL, handle: f.getObjectACL},
		{method: put, on: onObject, sub: "acl", action: objects.ActionObjectPutACL, handle: f.putObjectACL},
		{method: get, on: onObject, sub: "tagging", action: objects.ActionObjectGetTagging, handle: f.getTagging},
		{method: put, on: onObject, sub: "tagging", action: objects.ActionObjectPutTagging, handle: f.putTagging},
		{method: del, on: onObject, sub: "tagging", action: objects.ActionObjectDeleteTagging, status: http.StatusNoContent, handle: f.deleteTagging},
		{method: get, on: onObject, sub: "retention", action: objects.ActionObjectGetObjectLockRetention, handle: f.getRetention},
		{method: put, on: onObject, sub: "retention", action: objects.ActionObjectPutObjectLockRetention, handle: f.putRetention},
		{method: get, on: onObject, sub: "legal-hold", action: objects.ActionObjectGetObjectLockLegalHold, handle: f.getLegalHold},
		{method: put, on: onObject, sub: "legal-hold", action: objects.ActionObjectPutObjectLockLegalHold, handle: f.putLegalHold},
		{method: get, on: onObject, sub: "legalHold", action: objects.ActionObjectGetLegalHold, handle: f.getHolds},
		{method: post, on: onObject, sub: "legalHold", action: objects.ActionObjectPostLegalHold, handle: f.changeHolds},
		{method: post, on: onObject, sub: "extendRetention", action: objects.ActionObjectPostExtendRetention, handle: f.extendRetention},
		{method: post, on: onObject, sub: "restore", action: objects.ActionObjectRestore, status: http.StatusAccepted, handle: f.restore},
	}
}

// objectOperations are those on objects and on uploads in parts.
func (f *face) objectOperations() []operation {
	return []operation{
		{method: http.MethodPut, on: onObject, header: "X-Amz-Copy-Source", action: objects.ActionObjectCopy, handle: f.copyObject},
		{method: http.MethodPut, on: onObject, action: objects.ActionObjectPut, handle: f.putObject},
		{method: http.MethodGet, on: onObject, action: objects.ActionObjectGet, handle: f.getObject},
		{method: http.MethodHead, on: onObject, action: objects.ActionObjectHead, handle: f.headObject},
		{method: http.MethodDelete, on: onObject, action: objects.ActionObjectDelete, status: http.StatusNoContent, handle: f.deleteObject},

		{method: http.MethodPost, on: onObject, sub: "uploads", action: objects.ActionObjectPostInitiateUpload, handle: f.startUpload},
		{method: http.MethodPut, on: onObject, sub: "uploadId", header: "X-Amz-Copy-Source", action: objects.ActionObjectCopyPart, handle: f.copyPart},
		{method: http.MethodPut, on: onObject, sub: "uploadId", action: objects.ActionObjectPutPart, handle: f.putPart},
		{method: http.MethodGet, on: onObject, sub: "uploadId", action: objects.ActionObjectGetUploads, handle: f.listParts},
		{method: http.MethodPost, on: onObject, sub: "uploadId", action: objects.ActionObjectPostCompleteUpload, handle: f.completeUpload},
		{method: http.MethodDelete, on: onObject, sub: "uploadId", action: objects.ActionObjectDeleteUpload, status: http.StatusNoContent, handle: f.abortUpload},
	}
}

// actionPreflight is the name under which the questions of browsers are recorded, which need no caller.
const actionPreflight iam.Action = "cloud-object-storage.object-cors.read"

// notOffered are sub-resources that S3 has elsewhere, and that are not part of what this face speaks
// (cos-api.md, section 7).
var notOffered = []string{
	"policy", "policyStatus", "notification", "accelerate", "inventory", "metrics", "analytics", "ownershipControls",
	"requestPayment", "intelligent-tiering", "torrent", "select", "select-type", "attributes", "faspConnectionInfo",
}
