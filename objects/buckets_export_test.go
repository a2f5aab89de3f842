package objects

// What the tests of the rules of buckets ask directly.
var (
	CheckBucketName    = checkBucketName
	CheckLocation      = checkLocation
	MatchStar          = matchStar
	ParseAddresses     = parseAddresses
	ExpiryOf           = expiryOf
	MarkerExpiryOf     = markerExpiryOf
	NoncurrentExpiryOf = noncurrentExpiryOf
	AbortOf            = abortOf
	ArchiveFor         = archiveFor
	CheckFirewall      = (*Firewall).check
)
