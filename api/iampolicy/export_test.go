package iampolicy

import "strongroom/iam"

// DecodeV1 and DecodeV2 read policy documents.
func DecodeV1(body []byte) (iam.Policy, error) { return decodeV1(body) }

func DecodeV2(body []byte) (iam.Policy, error) { return decodeV2(body) }

// EncodeV1 and EncodeV2 write what an answer holds.
func EncodeV1(p *iam.Policy) any { return (&server{}).encodeV1(p) }

func EncodeV2(p *iam.Policy) any { return (&server{}).encodeV2(p, false) }

// SaysV1 reports whether the first version has the words for a policy.
func SaysV1(p *iam.Policy) bool { return saysV1(p) }
