ray = None
