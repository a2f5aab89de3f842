package matrix_test

// s3Sample says how to call an operation of the S3 face. "{bucket}", "{key}", "{upload}", "{etag}",
// "{version}" and "{instance}" in query, header and body stand for what the home has.
type s3Sample struct {
	query  string // beside what selects the operation
	header map[string]string
	body   string
	home   homeKind
	// action is what the sample does where the operation alone does not say it.
	action string
	// code is the error that shows its owner, too, that the request was permitted; empty wants a success.
	code string
}

// homeKind is what a bucket is set up for.
type homeKind int

const (
	plain     homeKind = iota // configured in every way that lets the others be
	locked                    // with versions and Object Lock
	protected                 // with a retention policy
	empty                     // with nothing in it
)

const (
	fromItself   = "/{bucket}/{key}"
	corsBody     = `<CORSConfiguration><CORSRule><AllowedOrigin>https://confidential.example</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>`
	encryptBody  = `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>`
	expireBody   = `<LifecycleConfiguration><Rule><ID>confidential</ID><Status>Enabled</Status><Filter><Prefix>none/</Prefix></Filter><Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>`
	versionsBody = `<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>`
	lockBody     = `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>`
	protectBody  = `<ProtectionConfiguration><Status>Retention</Status><MinimumRetention><Days>1</Days></MinimumRetention><DefaultRetention><Days>2</Days></DefaultRetention><MaximumRetention><Days>9</Days></MaximumRetention></ProtectionConfiguration>`
	blockBody    = `<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls></PublicAccessBlockConfiguration>`
	siteBody     = `<WebsiteConfiguration><IndexDocument><Suffix>confidential.html</Suffix></IndexDocument></WebsiteConfiguration>`
	tagBody      = `<Tagging><TagSet><Tag><Key>kind</Key><Value>confidential</Value></Tag></TagSet></Tagging>`
	retainBody   = `<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2099-01-01T00:00:00Z</RetainUntilDate></Retention>`
	holdBody     = `<LegalHold><Status>ON</Status></LegalHold>`
	noHoldBody   = `<LegalHold><Status>OFF</Status></LegalHold>`
	logBody      = `<BucketLoggingStatus/>`
	copiesBody   = `<ReplicationConfiguration><Rule><ID>confidential</ID><Status>Enabled</Status><Priority>1</Priority><Filter></Filter>` +
		`<DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>` +
		`<Destination><Bucket>crn:v1:bluemix:public:cloud-object-storage:global:a/f00:00000000-0000-4000-8000-000000000000:bucket:other</Bucket></Destination></Rule></ReplicationConfiguration>`
)

// theInstance names the object storage instance.
var theInstance = map[string]string{"Ibm-Service-Instance-Id": "{instance}"}

// s3Samples has the rows of each operation that needs a caller: "METHOD PATH" as the server lists it. A new
// operation needs a row, and each further action that it can ask for as well.
var s3Samples = map[string][]s3Sample{
	"GET /":          {{header: theInstance}},
	"GET /?extended": {{header: theInstance}},

	// Buckets.
	"PUT /{bucket}":             {{home: empty, header: theInstance}},
	"HEAD /{bucket}":            {{}},
	"DELETE /{bucket}":          {{home: empty}},
	"GET /{bucket}?location":    {{}},
	"GET /{bucket}":             {{}},
	"GET /{bucket}?list-type=2": {{}},
	"GET /{bucket}?versions":    {{}},
	"GET /{bucket}?uploads":     {{}},
	"POST /{bucket}?delete":     {{body: `<Delete><Object><Key>{key}</Key></Object></Delete>`}},

	// Their configuration.
	"GET /{bucket}?acl":                       {{}},
	"PUT /{bucket}?acl":                       {{header: map[string]string{"X-Amz-Acl": "private"}}},
	"GET /{bucket}?cors":                      {{}},
	"PUT /{bucket}?cors":                      {{body: corsBody}},
	"DELETE /{bucket}?cors":                   {{}},
	"GET /{bucket}?encryption":                {{}},
	"PUT /{bucket}?encryption":                {{body: encryptBody}},
	"DELETE /{bucket}?encryption":             {{}},
	"GET /{bucket}?lifecycle":                 {{}},
	"PUT /{bucket}?lifecycle":                 {{body: expireBody}},
	"DELETE /{bucket}?lifecycle":              {{}},
	"GET /{bucket}?logging":                   {{}},
	"PUT /{bucket}?logging":                   {{body: logBody, code: "NotImplemented"}},
	"GET /{bucket}?object-lock":               {{home: locked}},
	"PUT /{bucket}?object-lock":               {{home: locked, body: lockBody}},
	"GET /{bucket}?protection":                {{home: protected}},
	"PUT /{bucket}?protection":                {{home: protected, body: protectBody}},
	"GET /{bucket}?publicAccessBlock":         {{}},
	"PUT /{bucket}?publicAccessBlock":         {{body: blockBody}},
	"DELETE /{bucket}?publicAccessBlock":      {{}},
	"GET /{bucket}?replication":               {{home: locked}},
	"PUT /{bucket}?replication":               {{home: locked, body: copiesBody}},
	"DELETE /{bucket}?replication":            {{home: locked}},
	"GET /{bucket}?ibm-replication-failures":  {{home: locked}},
	"PUT /{bucket}?ibm-replication-reattempt": {{home: locked}},
	"GET /{bucket}?versioning":                {{}},
	"PUT /{bucket}?versioning":                {{body: versionsBody}},
	"GET /{bucket}?website":                   {{}},
	"PUT /{bucket}?website":                   {{body: siteBody}},
	"DELETE /{bucket}?website":                {{}},

	// Objects.
	"PUT /{bucket}/{key} (X-Amz-Copy-Source)": {
		{header: map[string]string{"X-Amz-Copy-Source": fromItself, "X-Amz-Metadata-Directive": "REPLACE"}},
		{header: map[string]string{"X-Amz-Copy-Source": fromItself + "?versionId={version}"}, home: locked},
	},
	"PUT /{bucket}/{key}": {
		{body: "attacked"},
		{body: "attacked", header: map[string]string{"X-Amz-Meta-Attacked": "yes"}, home: locked},
	},
	"GET /{bucket}/{key}": {
		{},
		{header: map[string]string{"Range": "bytes=0-3"}},
		{query: "versionId={version}", home: locked, action: "cloud-object-storage.object.get_version"},
	},
	"HEAD /{bucket}/{key}": {
		{},
		{query: "versionId={version}", home: locked, action: "cloud-object-storage.object.head_version"},
	},
	"DELETE /{bucket}/{key}": {
		{},
		{
			query: "versionId={version}", home: locked, action: "cloud-object-storage.object.delete_version",
			header: map[string]string{"X-Amz-Bypass-Governance-Retention": "true"},
		},
	},

	// Uploads in parts.
	"POST /{bucket}/{key}?uploads": {{}},
	"PUT /{bucket}/{key}?uploadId (X-Amz-Copy-Source)": {
		{query: "partNumber=2", header: map[string]string{"X-Amz-Copy-Source": fromItself}},
	},
	"PUT /{bucket}/{key}?uploadId":    {{query: "partNumber=1", body: "attacked"}},
	"GET /{bucket}/{key}?uploadId":    {{}},
	"DELETE /{bucket}/{key}?uploadId": {{}},
	"POST /{bucket}/{key}?uploadId": {{
		body: `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>`,
	}},

	// What a bucket keeps about them.
	"GET /{bucket}/{key}?acl": {{}, {query: "versionId={version}", home: locked, action: "cloud-object-storage.object.get_acl_version"}},
	"PUT /{bucket}/{key}?acl": {
		{header: map[string]string{"X-Amz-Acl": "private"}},
		{
			header: map[string]string{"X-Amz-Acl": "public-read"}, query: "versionId={version}", home: locked,
			action: "cloud-object-storage.object.put_acl_version",
		},
	},
	"GET /{bucket}/{key}?tagging": {
		{},
		{query: "versionId={version}", home: locked, action: "cloud-object-storage.object.get_tagging_version"},
	},
	"PUT /{bucket}/{key}?tagging": {
		{body: tagBody},
		{body: tagBody, query: "versionId={version}", home: locked, action: "cloud-object-storage.object.put_tagging_version"},
	},
	"DELETE /{bucket}/{key}?tagging": {
		{},
		{query: "versionId={version}", home: locked, action: "cloud-object-storage.object.delete_tagging_version"},
	},
	"GET /{bucket}/{key}?retention":        {{home: locked}},
	"PUT /{bucket}/{key}?retention":        {{home: locked, body: retainBody}},
	"GET /{bucket}/{key}?legal-hold":       {{home: locked}},
	"PUT /{bucket}/{key}?legal-hold":       {{home: locked, body: holdBody}},
	"GET /{bucket}/{key}?legalHold":        {{home: protected}},
	"POST /{bucket}/{key}?legalHold":       {{home: protected, query: "add=attacked"}},
	"POST /{bucket}/{key}?restore":         {{body: `<RestoreRequest><Days>1</Days></RestoreRequest>`, code: "ObjectAlreadyInActiveTierError"}},
	"POST /{bucket}/{key}?extendRetention": {{home: protected, header: map[string]string{"Additional-Retention-Period": "60"}}},
}
