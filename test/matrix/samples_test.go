package matrix_test

// openRoutes are answered without a caller, on purpose.
var openRoutes = []string{
	"POST /identity/token",
	"POST /oidc/token",
	"POST /identity/introspect",
	"GET /identity/keys",
	"GET /oidc/keys",
	"GET /identity/.well-known/openid-configuration",
	"GET /v2/endpoints",
}

// kms is the header that names the Key Protect instance.
var kms = map[string]string{"Bluemix-Instance": "$instance"}

// tokenInstance is an instance that has an import token.
var tokenInstance = map[string]string{"Bluemix-Instance": "$tokenInstance"}

// ifMatch lets an update pass whatever the version.
var ifMatch = map[string]string{"If-Match": "*"}

func one(kind string) map[string]string { return map[string]string{"id": kind} }

// inBucket names the bucket of a path.
var inBucket = map[string]string{"bucket": "bucket"}

// registered names a resource that no user may register.
var registered = map[string]string{"id": "key", "resource": "=crn:v1:bluemix:public:cloud-object-storage:global:a%2Ff00:guid:bucket:b"}

const (
	registrationBody = `{"metadata":{"collectionType":"application/vnd.ibm.kms.registration_input+json","collectionTotal":1},` +
		`"resources":[{"description":"$attacked"}]}`
	wholeRegistrationBody = `{"metadata":{"collectionType":"application/vnd.ibm.kms.registration_input+json","collectionTotal":1},` +
		`"resources":[{"description":"$attacked","keyVersionId":"$key","preventKeyDeletion":false,"registrationMetadata":""}]}`
	newNodeBody = `{"name":"$attacked","site":"local","url":"$folder"}`
	newKeyBody  = `{"metadata":{"collectionType":"` + keyType + `","collectionTotal":1},` +
		`"resources":[{"type":"` + keyType + `","name":"$attacked","extractable":false}]}`
	keyPolicyBody = `{"metadata":{"collectionType":"` + policyType + `","collectionTotal":1},` +
		`"resources":[{"type":"` + policyType + `","rotation":{"interval_month":1}}]}`
	instancePolicyBody = `{"metadata":{"collectionType":"` + policyType + `","collectionTotal":1},` +
		`"resources":[{"policy_type":"metrics","policy_data":{"enabled":true}}]}`
	policyV1 = `{"type":"access","subjects":[{"attributes":[{"name":"iam_id","value":"$serviceIAM"}]}],` +
		`"roles":[{"role_id":"` + roleManager + `"}],` +
		`"resources":[{"attributes":[{"name":"accountId","value":"$account"},{"name":"serviceName","value":"kms"}]}]}`
	policyV2 = `{"type":"access","control":{"grant":{"roles":[{"role_id":"` + roleManager + `"}]}},` +
		`"subject":{"attributes":[{"key":"iam_id","operator":"stringEquals","value":"$serviceIAM"}]},` +
		`"resource":{"attributes":[{"key":"accountId","operator":"stringEquals","value":"$account"},` +
		`{"key":"serviceName","operator":"stringEquals","value":"kms"}]}}`
)

// samples has a row for each route that needs a caller: "METHOD PATH" as the
// server lists it. A new route needs a new row.
var samples = map[string]sample{
	// Key Protect.
	"HEAD /api/v2/keys":                                  {header: kms, lists: "sibling"},
	"GET /api/v2/keys":                                   {header: kms, lists: "sibling"},
	"POST /api/v2/keys":                                  {header: kms, body: newKeyBody},
	"GET /api/v2/keys/{id}":                              {path: one("standardKey"), header: kms},
	"GET /api/v2/keys/{id}/metadata":                     {path: one("key"), header: kms},
	"GET /api/v2/keys/{id}/versions":                     {path: one("key"), header: kms},
	"DELETE /api/v2/keys/{id}":                           {path: one("key"), header: kms},
	"POST /api/v2/keys/{id}":                             {path: one("key"), header: kms, query: "action=wrap", body: `{}`, action: "kms.secrets.wrap"},
	"POST /api/v2/keys/{id}/actions/wrap":                {path: one("key"), header: kms, body: `{}`},
	"POST /api/v2/keys/{id}/actions/unwrap":              {path: one("key"), header: kms, body: `{"ciphertext":"$wrapped"}`},
	"POST /api/v2/keys/{id}/actions/rewrap":              {path: one("key"), header: kms, body: `{"ciphertext":"$wrapped"}`},
	"POST /api/v2/keys/{id}/actions/rotate":              {path: one("key"), header: kms},
	"POST /api/v2/keys/{id}/actions/disable":             {path: one("key"), header: kms},
	"POST /api/v2/keys/{id}/actions/enable":              {path: one("disabledKey"), header: kms},
	"POST /api/v2/keys/{id}/actions/sync":                {path: one("key"), header: kms},
	"POST /api/v2/keys/{id}/actions/setKeyForDeletion":   {path: one("dualAuthKey"), header: kms},
	"POST /api/v2/keys/{id}/actions/unsetKeyForDeletion": {path: one("dualAuthKey"), header: kms},
	"POST /api/v2/keys/{id}/restore":                     {path: one("deletedKey"), header: kms},
	"DELETE /api/v2/keys/{id}/purge":                     {path: one("deletedKey"), header: kms},
	"GET /api/v2/keys/{id}/policies":                     {path: one("dualAuthKey"), header: kms},
	"PUT /api/v2/keys/{id}/policies":                     {path: one("key"), header: kms, body: keyPolicyBody},
	"POST /api/v2/keys_with_policy_overrides":            {header: kms, body: newKeyBody},
	"GET /api/v2/instance/policies":                      {header: kms},
	"PUT /api/v2/instance/policies":                      {header: kms, body: instancePolicyBody},
	"GET /api/v2/instance/allowed_ip_port":               {header: kms},
	"PATCH /api/v2/keys/{id}":                            {path: one("key"), header: kms, body: `{"keyRingID":"$ring"}`},
	"POST /api/v2/keys/{id}/aliases/{alias}":             {path: map[string]string{"id": "key", "alias": "attacked"}, header: kms},
	"DELETE /api/v2/keys/{id}/aliases/{alias}":           {path: map[string]string{"id": "key", "alias": "alias"}, header: kms},
	"GET /api/v2/key_rings":                              {header: kms},
	"POST /api/v2/key_rings/{ring}":                      {path: map[string]string{"ring": "attacked"}, header: kms},
	"DELETE /api/v2/key_rings/{ring}":                    {path: map[string]string{"ring": "emptyRing"}, header: kms},
	"GET /api/v2/keys/registrations":                     {header: kms, lists: "sibling"},
	"GET /api/v2/keys/{id}/registrations":                {path: one("key"), header: kms},
	"POST /api/v2/keys/{id}/registrations/{resource}":    {path: registered, header: kms, body: registrationBody, service: true},
	"PATCH /api/v2/keys/{id}/registrations/{resource}":   {path: registered, header: kms, body: registrationBody, service: true},
	"PUT /api/v2/keys/{id}/registrations/{resource}":     {path: registered, header: kms, body: wholeRegistrationBody, service: true},
	"DELETE /api/v2/keys/{id}/registrations/{resource}":  {path: registered, header: kms, service: true},

	// Configuration of buckets.
	"GET /v1/b/{bucket}":   {path: inBucket},
	"PATCH /v1/b/{bucket}": {path: inBucket, body: `{"hard_quota":1}`},

	// Transport of key material.
	"POST /api/v2/import_token": {header: kms, body: `{}`},
	"GET /api/v2/import_token":  {header: tokenInstance},

	// Data keys, beyond Key Protect.
	"POST /strongroom/v1/keys/{id}/actions/generate": {path: one("key"), header: kms, body: `{}`},
	"POST /strongroom/v1/keys/{id}/actions/transfer": {path: one("key"), header: kms, body: `{"ciphertext":"$wrapped","targetKey":"$sibling"}`},
	"POST /strongroom/v1/keys/{id}/batches/wrap":     {path: one("key"), header: kms, body: `{"resources":[{}]}`},
	"POST /strongroom/v1/keys/{id}/batches/unwrap":   {path: one("key"), header: kms, body: `{"resources":[{"ciphertext":"$wrapped"}]}`},
	"POST /strongroom/v1/keys/{id}/batches/rewrap":   {path: one("key"), header: kms, body: `{"resources":[{"ciphertext":"$wrapped"}]}`},
	"POST /strongroom/v1/keys/{id}/batches/transfer": {path: one("key"), header: kms, body: `{"resources":[{"ciphertext":"$wrapped","targetKey":"$sibling"}]}`},
	"GET /strongroom/v1/keys/{id}/versions/census":   {path: one("key"), header: kms},
	"PUT /strongroom/v1/keys/{id}/versions/{version}/data": {
		path: map[string]string{"id": "key", "version": "key"}, header: kms, body: `{"objects":1,"bytes":1}`, service: true,
	},

	// Root keys that an object store elsewhere watches.
	"GET /strongroom/v1/lease": {query: "keys=crn:v1:bluemix:public:kms:us-south:a%2F$account:$instance:key:$key", action: "kms.secrets.unwrap"},

	// Identities.
	"GET /identity/userinfo":                       {harmless: true},
	"GET /v1/apikeys/details":                      {header: map[string]string{"IAM-ApiKey": "$apiKeyValue"}},
	"GET /v1/apikeys/{id}":                         {path: one("apiKey")},
	"PUT /v1/apikeys/{id}":                         {path: one("apiKey"), header: ifMatch, body: `{"name":"$attacked"}`},
	"DELETE /v1/apikeys/{id}":                      {path: one("apiKey")},
	"POST /v1/apikeys/{id}/lock":                   {path: one("apiKey")},
	"DELETE /v1/apikeys/{id}/lock":                 {path: one("lockedAPIKey")},
	"POST /v1/apikeys/{id}/disable":                {path: one("apiKey")},
	"DELETE /v1/apikeys/{id}/disable":              {path: one("apiKey")},
	"POST /v1/apikeys":                             {body: `{"name":"$attacked","iam_id":"$serviceIAM"}`},
	"POST /v1/apikeys/":                            {body: `{"name":"$attacked","iam_id":"$serviceIAM"}`},
	"GET /v1/apikeys":                              {query: "account_id=$account&scope=account"},
	"GET /v1/apikeys/":                             {query: "account_id=$account&scope=account"},
	"GET /v1/serviceids/{id}":                      {path: one("serviceID")},
	"PUT /v1/serviceids/{id}":                      {path: one("serviceID"), header: ifMatch, body: `{"name":"$attacked"}`},
	"DELETE /v1/serviceids/{id}":                   {path: one("serviceID")},
	"POST /v1/serviceids/{id}/lock":                {path: one("serviceID")},
	"DELETE /v1/serviceids/{id}/lock":              {path: one("lockedServiceID")},
	"POST /v1/serviceids":                          {body: `{"name":"$attacked","account_id":"$account"}`},
	"POST /v1/serviceids/":                         {body: `{"name":"$attacked","account_id":"$account"}`},
	"GET /v1/serviceids":                           {query: "account_id=$account"},
	"GET /v1/serviceids/":                          {query: "account_id=$account"},
	"GET /v2/accounts/{account}/users":             {path: map[string]string{"account": "account"}},
	"GET /v2/accounts/{account}/users/":            {path: map[string]string{"account": "account"}},
	"POST /v2/accounts/{account}/users":            {path: map[string]string{"account": "account"}, body: `{"users":[{"email":"$attacked@example.com"}]}`},
	"POST /v2/accounts/{account}/users/":           {path: map[string]string{"account": "account"}, body: `{"users":[{"email":"$attacked@example.com"}]}`},
	"GET /v2/accounts/{account}/users/{id}":        {path: map[string]string{"account": "account", "id": "user"}},
	"PATCH /v2/accounts/{account}/users/{id}":      {path: map[string]string{"account": "account", "id": "user"}, body: `{"firstname":"attacked"}`},
	"DELETE /v2/accounts/{account}/users/{id}":     {path: map[string]string{"account": "account", "id": "user"}},
	"GET /v1/accounts/{account}/settings/identity": {path: map[string]string{"account": "account"}},

	// Access.
	"POST /v1/policies":                       {body: policyV1},
	"GET /v1/policies":                        {query: "account_id=$account"},
	"GET /v1/policies/{id}":                   {path: one("policy")},
	"PUT /v1/policies/{id}":                   {path: one("policy"), header: ifMatch, body: policyV1},
	"PATCH /v1/policies/{id}":                 {path: one("deletedPolicy"), header: ifMatch, body: `{"state":"active"}`},
	"DELETE /v1/policies/{id}":                {path: one("policy")},
	"POST /v2/policies":                       {body: policyV2},
	"GET /v2/policies":                        {query: "account_id=$account"},
	"GET /v2/policies/{id}":                   {path: one("policy")},
	"PUT /v2/policies/{id}":                   {path: one("policy"), header: ifMatch, body: policyV2},
	"DELETE /v2/policies/{id}":                {path: one("policy")},
	"GET /v1/roles":                           {query: "accountId=$account&serviceName=kms", harmless: true},
	"GET /v2/roles":                           {query: "account_id=$account&service_name=kms", harmless: true},
	"POST /v2/roles":                          {body: `{"name":"A$attacked","display_name":"$attacked","account_id":"$account","service_name":"kms","actions":["kms.secrets.list"]}`},
	"GET /v2/roles/{id}":                      {path: one("role")},
	"PUT /v2/roles/{id}":                      {path: one("role"), header: ifMatch, body: `{"display_name":"$attacked","actions":["kms.secrets.list"]}`},
	"DELETE /v2/roles/{id}":                   {path: one("role")},
	"POST /v2/groups":                         {query: "account_id=$account", body: `{"name":"$attacked"}`},
	"GET /v2/groups":                          {query: "account_id=$account"},
	"GET /v2/groups/settings":                 {query: "account_id=$account"},
	"GET /v2/groups/{id}":                     {path: one("accessGroup")},
	"PATCH /v2/groups/{id}":                   {path: one("accessGroup"), header: ifMatch, body: `{"name":"$attacked"}`},
	"DELETE /v2/groups/{id}":                  {path: one("accessGroup")},
	"GET /v2/groups/{id}/rules":               {path: one("accessGroup")},
	"GET /v2/groups/{id}/members":             {path: one("accessGroup")},
	"PUT /v2/groups/{id}/members":             {path: one("accessGroup"), body: `{"members":[{"iam_id":"$serviceIAM","type":"service"}]}`},
	"POST /v2/groups/{id}/members/delete":     {path: one("memberGroup"), body: `{"members":["$member"]}`},
	"HEAD /v2/groups/{id}/members/{iam_id}":   {path: map[string]string{"id": "memberGroup", "iam_id": "member"}},
	"DELETE /v2/groups/{id}/members/{iam_id}": {path: map[string]string{"id": "memberGroup", "iam_id": "member"}},
	"PUT /v2/groups/_allgroups/members/{iam_id}": {
		path: map[string]string{"iam_id": "serviceIAM"}, query: "account_id=$account",
		body: `{"type":"service","groups":["$accessGroup"]}`,
	},
	"DELETE /v2/groups/_allgroups/members/{iam_id}": {path: map[string]string{"iam_id": "member"}, query: "account_id=$account"},

	// Instances.
	"POST /v2/resource_instances": {
		body: `{"name":"$attacked","target":"us-south","resource_group":"$defaultGroup","resource_plan_id":"` + kmsPlan + `"}`,
	},
	"GET /v2/resource_instances":                        {harmless: true},
	"GET /v2/resource_instances/{id}":                   {path: one("emptyInstance")},
	"PATCH /v2/resource_instances/{id}":                 {path: one("emptyInstance"), body: `{"name":"$attacked"}`},
	"DELETE /v2/resource_instances/{id}":                {path: one("emptyInstance")},
	"POST /v2/resource_instances/{id}/lock":             {path: one("emptyInstance")},
	"DELETE /v2/resource_instances/{id}/lock":           {path: one("locked")},
	"DELETE /v2/resource_instances/{id}/last_operation": {path: one("emptyInstance")},
	"GET /v2/resource_instances/{id}/resource_keys":     {path: one("emptyInstance")},
	"GET /v2/resource_instances/{id}/resource_aliases":  {path: one("emptyInstance")},
	"GET /v2/resource_instances/{id}/resource_bindings": {path: one("emptyInstance")},
	"GET /v1/reclamations":                              {harmless: true},
	"POST /v1/reclamations/{id}/actions/reclaim":        {path: one("reclamation"), body: `{}`},
	"POST /v1/reclamations/{id}/actions/restore":        {path: one("reclamation"), body: `{}`},
	"POST /v2/resource_keys":                            {body: `{"name":"$attacked","source":"$emptyInstance","role":"Manager"}`},
	"GET /v2/resource_keys":                             {harmless: true},
	"GET /v2/resource_keys/{id}":                        {path: one("resourceKey")},
	"PATCH /v2/resource_keys/{id}":                      {path: one("resourceKey"), body: `{"name":"$attacked"}`},
	"DELETE /v2/resource_keys/{id}":                     {path: one("resourceKey")},
	"POST /v2/resource_groups":                          {body: `{"name":"$attacked","account_id":"$account"}`},
	"GET /v2/resource_groups":                           {query: "account_id=$account", harmless: true},
	"GET /v2/resource_groups/{id}":                      {path: one("resourceGroup")},
	"PATCH /v2/resource_groups/{id}":                    {path: one("resourceGroup"), body: `{"name":"$attacked"}`},
	"DELETE /v2/resource_groups/{id}":                   {path: one("resourceGroup")},
	"GET /v2/quota_definitions":                         {harmless: true},
	"GET /v2/quota_definitions/{id}":                    {path: one("quota"), harmless: true},
	"POST /v3/tags/attach":                              {body: `{"resources":[{"resource_id":"$instanceCRN"}],"tag_names":["attacked"]}`},
	"POST /v3/tags/detach":                              {body: `{"resources":[{"resource_id":"$instanceCRN"}],"tag_names":["attacked"]}`},
	"GET /v3/tags":                                      {harmless: true},
	"DELETE /v3/tags":                                   {harmless: true},
	"DELETE /v3/tags/{name}":                            {path: map[string]string{"name": "=unused"}, harmless: true},
	"POST /v3/resources/search":                         {body: `{"query":"crn:\"$instanceCRN\"","fields":["tags"]}`, harmless: true},

	// The catalog is the same for everybody.
	"GET /api/v1":             {query: "q=kms&include=*", harmless: true},
	"GET /api/v1/":            {query: "q=kms&include=*", harmless: true},
	"GET /api/v1/{id}":        {path: one("=" + kmsPlan), harmless: true},
	"GET /api/v1/{id}/{kind}": {path: map[string]string{"id": "=" + kmsPlan, "kind": "=deployment"}, harmless: true},

	// Our own operations.
	"GET /strongroom/v1/audit/events":  {tenant: true},
	"GET /strongroom/v1/audit/export":  {tenant: true},
	"POST /strongroom/v1/audit/verify": {},
	"POST /strongroom/v1/backups":      {},

	"GET /strongroom/v1/custody":               {},
	"GET /strongroom/v1/custody/purged":        {},
	"POST /strongroom/v1/custody/rotations":    {body: `{}`},
	"POST /strongroom/v1/custody/migrations":   {body: `{"module":"other"}`},
	"POST /strongroom/v1/custody/retirements":  {body: `{"generation":$retired}`},
	"GET /strongroom/v1/nodes":                 {},
	"POST /strongroom/v1/nodes":                {body: newNodeBody},
	"POST /strongroom/v1/nodes/{name}/drain":   {path: map[string]string{"name": "node"}, body: `{}`},
	"POST /strongroom/v1/nodes/{name}/replace": {path: map[string]string{"name": "node"}, body: newNodeBody},
	"GET /strongroom/v1/slices":                {query: "bucket=$bucket&key=$object"},

	"PATCH /strongroom/v1/buckets/{bucket}":         {path: inBucket, body: `{"opaque_etags":false}`},
	"POST /strongroom/v1/buckets/{bucket}/rewrap":   {path: inBucket, body: `{}`},
	"POST /strongroom/v1/buckets/{bucket}/rekey":    {path: inBucket, body: `{"provider_key":true,"reencrypt":true}`},
	"POST /strongroom/v1/buckets/{bucket}/verify":   {path: inBucket, body: `{"sample":1}`},
	"GET /strongroom/v1/buckets/{bucket}/jobs":      {path: inBucket},
	"GET /strongroom/v1/buckets/{bucket}/jobs/{id}": {path: map[string]string{"bucket": "bucket", "id": "job"}},

	// Every member of an account may ask, and is shown the instances that it manages.
	"GET /strongroom/v1/metrics": {harmless: true},
}
