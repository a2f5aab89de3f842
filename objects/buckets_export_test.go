package objects

// What the tests of the rules of buckets ask directly.
var (
	CheckBucketName    = checkBucketName
	FullLocation       = fullLocation
	MatchStar          = matchStar
	ParseAddresses     = parseAddresses
	ExpiryOf           = expiryOf
	MarkerExpiryOf     = markerExpiryOf
	NoncurrentExpiryOf = noncurrentExpiryOf
	AbortOf            = abortOf
	ArchiveFor         = archiveFor
	CheckFirewall      = (*Firewall).check
)
