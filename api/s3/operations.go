package s3

import (
	"net/http"

	"strongroom/objects"
)

// operations is all that the face offers.
func (f *face) operations() []operation {
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

// notOffered are sub-resources that S3 has elsewhere, and that are not part of what this face speaks
// (cos-api.md, section 7).
var notOffered = []string{
	"policy", "policyStatus", "notification", "accelerate", "inventory", "metrics", "analytics", "ownershipControls",
	"requestPayment", "intelligent-tiering", "torrent", "select", "select-type", "attributes", "faspConnectionInfo",
}
