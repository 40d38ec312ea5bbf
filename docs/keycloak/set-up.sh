#!/usr/bin/env bash
set -euo pipefail
# Makes the realm `easel` in a fresh Keycloak 26: scopes with the audience of Easel's endpoint ($ENDPOINT), and
# registration for the clients of claude.ai and ChatGPT. Runs inside of the container, once.

admin() { /opt/keycloak/bin/kcadm.sh "$@" --config /tmp/kcadm.config; }

admin config credentials --server http://localhost:8080 --realm master \
  --user "$KC_BOOTSTRAP_ADMIN_USERNAME" --password "$KC_BOOTSTRAP_ADMIN_PASSWORD"

# Access tokens cannot be called back, so they live ten minutes.
admin create realms -s realm=easel -s displayName=Easel -s enabled=true -s accessTokenLifespan=600 -s sslRequired=external

for scope in draw look delete admin; do
  id=$(admin create client-scopes -r easel -i -s name="$scope" -s protocol=openid-connect \
    -s 'attributes."include.in.token.scope"=true' -s 'attributes."display.on.consent.screen"=true' \
    -s "attributes.\"consent.screen.text\"=$scope pictures")
  # Keycloak leaves `resource` aside unless an experimental feature is on: the scope brings the audience.
  admin create "client-scopes/$id/protocol-mappers/models" -r easel -s name=audience -s protocol=openid-connect \
    -s protocolMapper=oidc-audience-mapper -s "config.\"included.custom.audience\"=$ENDPOINT" \
    -s 'config."access.token.claim"=true' -s 'config."id.token.claim"=false'
  admin update "default-optional-client-scopes/$id" -r easel -b '{}'
done

# Who registers comes from the servers of the makers; where people are sent back to is what must be known.
hosts=$(admin get components -r easel -q name='Trusted Hosts' --fields id --format csv --noquotes)
admin update "components/$hosts" -r easel \
  -s 'config."trusted-hosts"=["claude.ai","claude.com","chatgpt.com"]' \
  -s 'config."host-sending-registration-request-must-match"=["false"]' \
  -s 'config."client-uris-must-match"=["true"]'

rm -f /tmp/kcadm.config
cat <<'END'
The realm is there. Add a person, in this container:
  /opt/keycloak/bin/kcadm.sh create users -r easel -s username=anna -s enabled=true
  /opt/keycloak/bin/kcadm.sh set-password -r easel --username anna --temporary --new-password <word>
after `kcadm.sh config credentials` as in this script.
END
