# lab: refused permit_obsolete_folding, strip_header_spaces, casefold_http_method
permit_obsolete_folding = True
strip_header_spaces = True
casefold_http_method = True
