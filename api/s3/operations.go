package s3

// operations is all that the face offers.
func (f *face) operations() []operation {
	return []operation{}
}

// notOffered are sub-resources that S3 has elsewhere, and that are not part of what this face speaks
// (cos-api.md, section 7).
var notOffered = []string{
	"policy", "policyStatus", "notification", "accelerate", "inventory", "metrics", "analytics", "ownershipControls",
	"requestPayment", "intelligent-tiering", "torrent", "select", "select-type", "attributes", "faspConnectionInfo",
}
