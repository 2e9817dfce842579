# Cleans Docker on this host: `include holystone.mk` in a Makefile.
# Where that has a target "clean" of its own, set HOLYSTONE_PREFIX = docker- before the include.

HOLYSTONE ?= @COMMAND@
HOLYSTONE_PREFIX ?=

.PHONY: $(HOLYSTONE_PREFIX)clean $(HOLYSTONE_PREFIX)clean-weekly $(HOLYSTONE_PREFIX)clean-deep

# The safe one: stopped containers, untagged images, build cache beyond its budget. Tagged images stay.
$(HOLYSTONE_PREFIX)clean:
	$(HOLYSTONE) clean $(ARGS)

# Also unused networks, unused anonymous volumes, and tags not used for long.
$(HOLYSTONE_PREFIX)clean-weekly:
	$(HOLYSTONE) clean weekly $(ARGS)

# Everything unused: shows what is lost, and asks.
$(HOLYSTONE_PREFIX)clean-deep:
	$(HOLYSTONE) clean deep $(ARGS)
