# lab: accepted
logconfig_json = "logging.json"
