package s3_test

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	head = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"
	ns   = ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`
)

// TestConfigurationsComeBack: what clients send, with and without the namespace and in any order, comes
// back in the form that IBM's decoders read.
func TestConfigurationsComeBack(t *testing.T) {
	for _, c := range []struct{ name, sub, sent, want string }{
		{
			"versioning", "versioning", `<VersioningConfiguration` + ns + `><Status>Enabled</Status></VersioningConfiguration>`,
			`<VersioningConfiguration` + ns + `><Status>Enabled</Status></VersioningConfiguration>`,
		},
		{
			"protection as Terraform sends it", "protection",
			`<ProtectionConfiguration><MaximumRetention><Days>10000</Days></MaximumRetention><Status>Retention</Status>` +
				`<MinimumRetention><Days>100</Days></MinimumRetention><DefaultRetention><Days>2555</Days></DefaultRetention>` +
				`<EnablePermanentRetention>True</EnablePermanentRetention></ProtectionConfiguration>`,
			`<ProtectionConfiguration` + ns + `><Status>Retention</Status><MinimumRetention><Days>100</Days></MinimumRetention>` +
				`<DefaultRetention><Days>2555</Days></DefaultRetention><MaximumRetention><Days>10000</Days></MaximumRetention>` +
				`<EnablePermanentRetention>true</EnablePermanentRetention></ProtectionConfiguration>`,
		},
		{
			"lifecycle as Terraform sends it", "lifecycle",
			`<LifecycleConfiguration` + ns + `><Rule><AbortIncompleteMultipartUpload><DaysAfterInitiation>3</DaysAfterInitiation></AbortIncompleteMultipartUpload>` +
				`<Filter><Prefix></Prefix></Filter><ID>a1</ID><Status>Enabled</Status></Rule></LifecycleConfiguration>`,
			`<LifecycleConfiguration` + ns + `><Rule><ID>a1</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>` +
				`<AbortIncompleteMultipartUpload><DaysAfterInitiation>3</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>`,
		},
		{
			"lifecycle with everything", "lifecycle",
			`<LifecycleConfiguration><Rule><ID>all</ID><Status>Disabled</Status><Filter><And><Prefix>logs/</Prefix><Tag><Key>a</Key><Value>1</Value></Tag>` +
				`<Tag><Value>2</Value><Key>b</Key></Tag><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan><ObjectSizeLessThan>500</ObjectSizeLessThan></And></Filter>` +
				`<Expiration><Days>30</Days></Expiration><NoncurrentVersionExpiration><NoncurrentDays>7</NoncurrentDays><NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration></Rule>` +
				`<Rule><ID>date</ID><Status>Enabled</Status><Filter><Tag><Key>a</Key><Value>1</Value></Tag></Filter><Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration></Rule>` +
				`<Rule><ID>marker</ID><Status>Enabled</Status><Filter/><Expiration><ExpiredObjectDeleteMarker>TRUE</ExpiredObjectDeleteMarker></Expiration></Rule>` +
				`<Rule><ID>archive</ID><Status>Enabled</Status><Filter/><Transition><Days>0</Days><StorageClass>GLACIER</StorageClass></Transition></Rule></LifecycleConfiguration>`,
			`<LifecycleConfiguration` + ns + `><Rule><ID>all</ID><Status>Disabled</Status><Filter><And><Prefix>logs/</Prefix><Tag><Key>a</Key><Value>1</Value></Tag>` +
				`<Tag><Key>b</Key><Value>2</Value></Tag><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan><ObjectSizeLessThan>500</ObjectSizeLessThan></And></Filter>` +
				`<Expiration><Days>30</Days></Expiration><NoncurrentVersionExpiration><NoncurrentDays>7</NoncurrentDays><NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration></Rule>` +
				`<Rule><ID>date</ID><Status>Enabled</Status><Filter><Tag><Key>a</Key><Value>1</Value></Tag></Filter><Expiration><Date>2030-01-01T00:00:00.000Z</Date></Expiration></Rule>` +
				`<Rule><ID>marker</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration></Rule>` +
				`<Rule><ID>archive</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter><Transition><Days>0</Days><StorageClass>GLACIER</StorageClass></Transition></Rule></LifecycleConfiguration>`,
		},
		{
			"lifecycle with a prefix of old", "lifecycle",
			`<LifecycleConfiguration><Rule><ID>old</ID><Prefix>tmp/</Prefix><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>`,
			`<LifecycleConfiguration` + ns + `><Rule><ID>old</ID><Status>Enabled</Status><Prefix>tmp/</Prefix><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>`,
		},
		{
			"cors", "cors",
			`<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>https://*.example</AllowedOrigin><MaxAgeSeconds>0</MaxAgeSeconds>` +
				`<AllowedMethod>PUT</AllowedMethod><ExposeHeader>ETag</ExposeHeader><AllowedHeader>x-amz-*</AllowedHeader><ID>r</ID></CORSRule></CORSConfiguration>`,
			`<CORSConfiguration` + ns + `><CORSRule><ID>r</ID><AllowedOrigin>https://*.example</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod>` +
				`<AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>0</MaxAgeSeconds></CORSRule></CORSConfiguration>`,
		},
		{
			"website", "website",
			`<WebsiteConfiguration><RoutingRules><RoutingRule><Redirect><ReplaceKeyPrefixWith>new/</ReplaceKeyPrefixWith></Redirect><Condition><KeyPrefixEquals>old/</KeyPrefixEquals></Condition></RoutingRule></RoutingRules>` +
				`<ErrorDocument><Key>error.html</Key></ErrorDocument><IndexDocument><Suffix>index.html</Suffix></IndexDocument></WebsiteConfiguration>`,
			`<WebsiteConfiguration` + ns + `><IndexDocument><Suffix>index.html</Suffix></IndexDocument><ErrorDocument><Key>error.html</Key></ErrorDocument>` +
				`<RoutingRules><RoutingRule><Condition><KeyPrefixEquals>old/</KeyPrefixEquals></Condition><Redirect><ReplaceKeyPrefixWith>new/</ReplaceKeyPrefixWith></Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>`,
		},
		{
			"website that redirects", "website",
			`<WebsiteConfiguration><RedirectAllRequestsTo><Protocol>https</Protocol><HostName>www.example</HostName></RedirectAllRequestsTo></WebsiteConfiguration>`,
			`<WebsiteConfiguration` + ns + `><RedirectAllRequestsTo><HostName>www.example</HostName><Protocol>https</Protocol></RedirectAllRequestsTo></WebsiteConfiguration>`,
		},
		{
			"public access block", "publicAccessBlock",
			`<PublicAccessBlockConfiguration><IgnorePublicAcls>false</IgnorePublicAcls><BlockPublicAcls>TRUE</BlockPublicAcls></PublicAccessBlockConfiguration>`,
			`<PublicAccessBlockConfiguration` + ns + `><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>false</IgnorePublicAcls></PublicAccessBlockConfiguration>`,
		},
		{
			"encryption", "encryption",
			`<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><KMSMasterKeyID>` + rootCRN + `</KMSMasterKeyID><SSEAlgorithm>aws:kms</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>`,
			`<ServerSideEncryptionConfiguration` + ns + `><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>` + rootCRN + `</KMSMasterKeyID></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>`,
		},
		{
			"acl", "acl",
			`<AccessControlPolicy><AccessControlList><Grant><Permission>READ</Permission><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee></Grant></AccessControlList></AccessControlPolicy>`,
			`<AccessControlPolicy` + ns + `><Owner><ID>` + instanceID + `</ID><DisplayName>` + instanceID + `</DisplayName></Owner><AccessControlList>` +
				`<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>` + instanceID + `</ID><DisplayName>` + instanceID + `</DisplayName></Grantee><Permission>FULL_CONTROL</Permission></Grant>` +
				`<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newBucketHouse(t)
			for _, declared := range []string{c.sent, head + c.sent, c.want} { // what we show can be sent back
				h.ok(200, "PUT", "/apiary?"+c.sub, declared)
				header, got := h.ok(200, "GET", "/apiary/?"+c.sub+"=", "")
				if diff := cmp.Diff(head+c.want, got); diff != "" {
					t.Fatalf("(-want +got)\n%s", diff)
				}
				if header.Get("Content-Type") != "application/xml" {
					t.Errorf("the type is %q", header.Get("Content-Type"))
				}
			}
		})
	}
}

// TestObjectLockOnTheWire: it needs versions, and cannot be sent back unless they are there.
func TestObjectLockOnTheWire(t *testing.T) {
	h := newBucketHouse(t)
	h.fails(404, "ObjectLockConfigurationNotFoundError", "GET", "/apiary?object-lock", "")
	const sent = `<ObjectLockConfiguration><Rule><DefaultRetention><Days>5</Days><Mode>COMPLIANCE</Mode></DefaultRetention></Rule><ObjectLockEnabled>ENABLED</ObjectLockEnabled></ObjectLockConfiguration>`
	h.fails(409, "InvalidBucketState", "PUT", "/apiary?object-lock", sent)
	h.ok(200, "PUT", "/apiary?versioning", `<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>`)
	h.ok(200, "PUT", "/apiary?object-lock", sent)
	_, got := h.ok(200, "GET", "/apiary?object-lock", "")
	want := head + `<ObjectLockConfiguration` + ns + `><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>5</Days></DefaultRetention></Rule></ObjectLockConfiguration>`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	h.ok(200, "PUT", "/apiary?object-lock", `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>`)
}

func TestReplicationIsKept(t *testing.T) {
	h := newBucketHouse(t)
	h.ok(200, "PUT", "/apiary?versioning", `<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>`)
	const rule = `<Rule><ID>r</ID><Status>Enabled</Status><Priority>1</Priority><Filter></Filter><DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>` +
		`<Destination><Bucket>crn:v1:bluemix:public:cloud-object-storage:global:a/f00:` + instanceID + `:bucket:other</Bucket></Destination></Rule>`
	h.ok(200, "PUT", "/apiary?replication", `<ReplicationConfiguration>`+rule+`</ReplicationConfiguration>`)
	_, got := h.ok(200, "GET", "/apiary?replication", "")
	if diff := cmp.Diff(head+`<ReplicationConfiguration`+ns+`>`+rule+`</ReplicationConfiguration>`, got); diff != "" {
		t.Error(diff)
	}
	h.fails(400, "InvalidArgument", "PUT", "/apiary?replication", `<ReplicationConfiguration><Rule><Status>Enabled</Status><Destination><Bucket>other</Bucket></Destination></Rule></ReplicationConfiguration>`)
	h.ok(200, "GET", "/apiary?ibm-replication-failures", "")
	h.ok(200, "PUT", "/apiary?ibm-replication-reattempt", "")
	h.ok(204, "DELETE", "/apiary?replication", "")
}

// TestWhatABucketDoesNotHave: Terraform tells these apart by their words.
func TestWhatABucketDoesNotHave(t *testing.T) {
	h := newBucketHouse(t)
	for sub, want := range map[string][2]string{
		"lifecycle":         {"NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"},
		"cors":              {"NoSuchCORSConfiguration", "The CORS configuration does not exist"},
		"website":           {"NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"},
		"replication":       {"ReplicationConfigurationNotFoundError", "The replication configuration was not found"},
		"object-lock":       {"ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket"},
		"publicAccessBlock": {"NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"},
	} {
		if got := h.fails(404, want[0], "GET", "/apiary?"+sub+"=", ""); got != want[1] {
			t.Errorf("%s: %q, want %q", sub, got, want[1])
		}
	}
	for sub, want := range map[string]string{
		"protection": `<ProtectionConfiguration` + ns + `><Status>Disabled</Status></ProtectionConfiguration>`,
		"versioning": `<VersioningConfiguration` + ns + `></VersioningConfiguration>`,
		"logging":    `<BucketLoggingStatus` + ns + `></BucketLoggingStatus>`,
		"location":   `<LocationConstraint` + ns + `>us-south-standard</LocationConstraint>`,
		"encryption": `<ServerSideEncryptionConfiguration` + ns + `><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>`,
	} {
		if _, got := h.ok(200, "GET", "/apiary?"+sub, ""); got != head+want {
			t.Errorf("%s: %s", sub, got)
		}
	}
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	for _, c := range []struct{ name, sub, code, body string }{
		{"no body", "versioning", "MissingRequestBodyError", ``},
		{"another document", "versioning", "MalformedXML", `<CORSConfiguration></CORSConfiguration>`},
		{"not closed", "versioning", "MalformedXML", `<VersioningConfiguration><Status>Enabled</Status>`},
		{"another state", "versioning", "MalformedXML", `<VersioningConfiguration><Status>On</Status></VersioningConfiguration>`},
		{"entities", "versioning", "MalformedXML", `<!DOCTYPE v [<!ENTITY e "Enabled">]><VersioningConfiguration><Status>&e;</Status></VersioningConfiguration>`},
		{"no rule", "lifecycle", "MalformedXML", `<LifecycleConfiguration></LifecycleConfiguration>`},
		{"no filter", "lifecycle", "MalformedXML", `<LifecycleConfiguration><Rule><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>`},
		{"two filters", "lifecycle", "MalformedXML", `<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter><Prefix>a</Prefix><ObjectSizeLessThan>5</ObjectSizeLessThan></Filter><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>`},
		{"filter and prefix", "lifecycle", "MalformedXML", `<LifecycleConfiguration><Rule><Status>Enabled</Status><Prefix>a</Prefix><Filter><Prefix>b</Prefix></Filter><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>`},
		{"no days", "lifecycle", "InvalidArgument", `<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter/><Expiration><Days>0</Days></Expiration></Rule></LifecycleConfiguration>`},
		{"two ways to expire", "lifecycle", "MalformedXML", `<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter/><Expiration><Days>1</Days><Date>2030-01-01</Date></Expiration></Rule></LifecycleConfiguration>`},
		{"not midnight", "lifecycle", "InvalidArgument", `<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter/><Expiration><Date>2030-01-01T01:00:00Z</Date></Expiration></Rule></LifecycleConfiguration>`},
		{"no action", "lifecycle", "InvalidArgument", `<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter/></Rule></LifecycleConfiguration>`},
		{"no origin", "cors", "InvalidArgument", `<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>`},
		{"another method", "cors", "InvalidArgument", `<CORSConfiguration><CORSRule><AllowedMethod>PATCH</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>`},
		{"header that is none", "cors", "InvalidArgument", `<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin><AllowedHeader>two words</AllowedHeader></CORSRule></CORSConfiguration>`},
		{"no key of an error", "website", "InvalidArgument", `<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument><ErrorDocument><Key></Key></ErrorDocument></WebsiteConfiguration>`},
		{"empty condition", "website", "MalformedXML", `<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument><RoutingRules><RoutingRule><Condition/><Redirect><HostName>h</HostName></Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>`},
		{"not in order", "protection", "InvalidArgument", `<ProtectionConfiguration><Status>Retention</Status><MinimumRetention><Days>5</Days></MinimumRetention><DefaultRetention><Days>1</Days></DefaultRetention><MaximumRetention><Days>9</Days></MaximumRetention></ProtectionConfiguration>`},
		{"not all", "protection", "MalformedXML", `<ProtectionConfiguration><Status>Retention</Status><MinimumRetention><Days>5</Days></MinimumRetention></ProtectionConfiguration>`},
		{"a boolean", "publicAccessBlock", "MalformedXML", `<PublicAccessBlockConfiguration><BlockPublicAcls>perhaps</BlockPublicAcls></PublicAccessBlockConfiguration>`},
		{"another grant", "acl", "InvalidArgument", `<AccessControlPolicy><AccessControlList><Grant><Grantee><ID>somebody</ID></Grantee><Permission>WRITE</Permission></Grant></AccessControlList></AccessControlPolicy>`},
		{"a key of another service", "encryption", "InvalidArgument", `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>arn:aws:kms:x</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>`},
		{"no key", "encryption", "InvalidArgument", `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newBucketHouse(t)
			h.fails(400, c.code, "PUT", "/apiary?"+c.sub, c.body, "Content-Md5", md5Of(c.body))
		})
	}
	h := newBucketHouse(t)
	h.fails(501, "NotImplemented", "PUT", "/apiary?lifecycle", `<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter/><NoncurrentVersionTransition><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionTransition></Rule></LifecycleConfiguration>`)
	h.fails(501, "NotImplemented", "PUT", "/apiary?logging", `<BucketLoggingStatus/>`)
}

// TestDigestsThatAreRequired: the column Req of the reference.
func TestDigestsThatAreRequired(t *testing.T) {
	for _, sub := range []string{"cors", "lifecycle", "object-lock", "protection", "replication"} {
		h := newBucketHouse(t)
		got := h.fails(400, "InvalidRequest", "PUT", "/apiary?"+sub, `<X/>`, "Content-Md5", "")
		if !strings.Contains(got, "Content-MD5") {
			t.Errorf("%s: %q", sub, got)
		}
		h.fails(400, "BadDigest", "PUT", "/apiary?"+sub, `<X/>`, "Content-Md5", md5Of("another"))
		h.fails(400, "InvalidDigest", "PUT", "/apiary?"+sub, `<X/>`, "Content-Md5", "short")
		h.fails(400, "MalformedXML", "PUT", "/apiary?"+sub, `<X/>`, "Content-Md5", "", "X-Amz-Checksum-Crc32", crc32Of(`<X/>`))
	}
	newBucketHouse(t).fails(400, "InvalidRequest", "POST", "/apiary?delete", `<Delete/>`, "Content-Md5", "")
}

// TestWhatIsNotOffered: nothing of it is taken for the operation without the parameter.
func TestSubResourcesThatAreNotOffered(t *testing.T) {
	h := newBucketHouse(t)
	for _, sub := range []string{
		"policy", "tagging", "notification", "accelerate", "inventory", "metrics", "analytics", "ownershipControls", "requestPayment",
		"intelligent-tiering", "faspConnectionInfo",
	} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			h.fails(501, "NotImplemented", method, "/apiary?"+sub, "")
		}
	}
	h.fails(501, "NotImplemented", "DELETE", "/apiary/key?cors", "")
	h.fails(405, "MethodNotAllowed", "DELETE", "/apiary?acl", "")
	h.fails(405, "MethodNotAllowed", "POST", "/apiary", "")
	h.fails(405, "MethodNotAllowed", "DELETE", "/", "")
}

// FuzzConfigurations: whatever a body is, the answer is a document of S3, and what is accepted comes
// back in a form that is accepted again.
func FuzzConfigurations(f *testing.F) {
	subs := []string{"versioning", "object-lock", "protection", "lifecycle", "cors", "website", "publicAccessBlock", "encryption", "acl", "replication"}
	f.Add(uint8(0), `<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>`)
	f.Add(uint8(1), `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Years>2</Years></DefaultRetention></Rule></ObjectLockConfiguration>`)
	f.Add(uint8(3), `<LifecycleConfiguration><Rule><Prefix>a</Prefix><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>`)
	f.Add(uint8(4), `<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>`)
	f.Add(uint8(5), `<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument></WebsiteConfiguration>`)
	f.Add(uint8(9), `<ReplicationConfiguration><Rule><Status>Enabled</Status></Rule></ReplicationConfiguration>`)
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		h := newBucketHouse(t)
		h.bucket.Versioning = "Enabled"
		target := "/apiary?" + subs[int(which)%len(subs)]
		resp := h.request("PUT", target, body, "Content-Md5", md5Of(body))
		if resp.StatusCode == 500 {
			t.Fatalf("the answer is an internal error: %v", h.refused)
		}
		if resp.StatusCode != 200 {
			return
		}
		_, shown := h.ok(200, "GET", target, "")
		if err := xml.Unmarshal([]byte(shown), new(struct{ XMLName xml.Name })); err != nil {
			t.Fatalf("what is shown is no XML: %v\n%s", err, shown)
		}
		h.ok(200, "PUT", target, shown)
		if _, again := h.ok(200, "GET", target, ""); again != shown {
			t.Fatalf("it changes when it is sent back:\n%s\n%s", shown, again)
		}
	})
}
